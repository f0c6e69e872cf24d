import { CommanderError } from 'commander'
import { pino } from 'pino'
import { createProgram } from '../../src/commands/program.js'
import { openRotation } from '../../src/commands/rotation.js'
import { describeError } from '../../src/commands/sentences.js'
import { createServices } from '../../src/services/services.js'
import { keysSecret, type TestApp } from './app.js'

type Answer = { code: number; out: string; errors: string }

/** The code that a command has set. It must not become that of the test. */
function takeExitCode(): number {
  const code = Number(process.exitCode ?? 0)
  process.exitCode = undefined
  return code
}

/** The program of `gatehouse` in this process, on the database of an app. It prints what a person would see. */
export function commandsOn({ config, db, url }: TestApp) {
  const log = pino({ level: 'silent' })
  let services: ReturnType<typeof createServices> | undefined

  /** @param answer what the person answers; without it there is no person */
  return async (args: string[], answer?: boolean): Promise<Answer> => {
    const out: string[] = []
    const errors: string[] = []
    const questions: string[] = []
    const program = createProgram({
      withServices: async (work) => {
        services ??= createServices(config, { db, listenUrl: url, keysSecret, log })
        await work(await services)
      },
      withRotation: async (work) => work(openRotation(config, db, keysSecret)),
      withResources: (work) => work({ db, url, listenUrl: url, keysSecret }, config),
      withConfig: (work) => work(config),
      log,
      print: (line) => void out.push(line),
      confirm:
        answer === undefined
          ? undefined
          : async (question) => {
              questions.push(question)
              return answer
            },
    })
    for (const command of [
      program,
      ...program.commands.flatMap((each) => [each, ...each.commands]),
    ]) {
      command.exitOverride().configureOutput({
        writeOut: (text) => void out.push(text.trimEnd()),
        writeErr: (text) => void errors.push(text.trimEnd()),
      })
    }
    const code = await program
      .parseAsync(args, { from: 'user' })
      .then(takeExitCode, (error: unknown) => {
        if (error instanceof CommanderError) return error.exitCode
        const sentence = describeError(error)
        if (sentence === undefined) throw error
        errors.push(sentence)
        return 1
      })
    return { code, out: out.join('\n'), errors: [...questions, ...errors].join('\n') }
  }
}
