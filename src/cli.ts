#!/usr/bin/env node
import { Command } from 'commander'
import { exitCodeOf } from './commands/gatehouse-api.js'
import { folderOf } from './commands/login-file.js'
import { loginCommands } from './commands/login.js'
import { OperatorError } from './errors.js'

const commands = loginCommands({
  folder: folderOf(process.env, process.platform),
  print: (line) => void process.stdout.write(`${line}\n`),
  report,
})
const verbs = commands.map((command) => command.name())

// These commands start without the modules of the server, because scripts call `gatehouse token` often.
if (verbs.includes(process.argv[2] ?? '')) await runLogin()
else await import('./operator-cli.js')

async function runLogin(): Promise<void> {
  process.stdout.on('error', () => process.exit(141)) // its reader has closed the pipe
  const program = new Command('gatehouse')
  for (const command of commands) {
    command.showHelpAfterError('Add --help for the arguments, the options and examples.')
    program.addCommand(command)
  }
  await program.parseAsync(process.argv)
}

/** Prints an error that the person can fix as a sentence. */
async function report(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    process.exitCode = exitCodeOf(error)
    process.stderr.write(`${error.message}.\n`)
  }
}
