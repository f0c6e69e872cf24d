import { createConfirm } from './commands/confirm.js'
import { createProgram } from './commands/program.js'
import { describeError } from './commands/sentences.js'
import { addEnvFile } from './config/env-file.js'
import { loadConfig, type Config } from './config/load.js'
import { unknownVariables } from './config/unknown.js'
import { OperatorError } from './errors.js'
import { createLogger } from './log/logger.js'
import { openResources, type Closers, type Resources } from './process/resources.js'
import { openRotation } from './commands/rotation.js'
import { createServices, type Services } from './services/services.js'
import { toOperatorError } from './process/faults.js'
import { hasFixedKey } from './features/tokens/configured-rotation.js'
import type { KeyRotation } from './features/tokens/rotation.js'

/** Set when stdout cannot be written: its reader has closed the pipe, or the disk is full. */
let stdoutError: NodeJS.ErrnoException | undefined
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  stdoutError ??= error
})
process.stderr.on('error', () => undefined)
const print = (line: string) => {
  process.stdout.write(`${line}\n`)
  if (stdoutError) throw stdoutError
}
// The embedded database stops on the event `exit`. Without these handlers it would outlive the command.
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => process.exit(128 + number))
}
const printError = (line: string) => void process.stderr.write(`${line}\n`)
const log = createLogger('warn', process.stderr)

const program = createProgram({
  withServices,
  withRotation,
  withResources,
  withConfig: (work) => reportErrors(() => work(readConfig())),
  log,
  print,
  confirm: createConfirm(),
})
// A kid may begin with `-`, and is then no option.
const isKid = (word: string) => /^-[\w-]{42}$/.test(word)
await program.parseAsync(process.argv.flatMap((word) => (isKid(word) ? ['--', word] : [word])))
await new Promise(setImmediate) // the error event of stdout arrives in a later turn
if (stdoutError) reportStdoutError(stdoutError)
// Do not wait for connections that are still open: the database may not answer.
process.exit()

/** If a reader such as `head` closes the pipe, exits as after SIGPIPE, without an error message. */
function reportStdoutError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exitCode = 141
  else {
    process.exitCode = 1
    printError(`stdout cannot be written: ${error.message}`)
  }
}

function withServices(work: (services: Services) => Promise<void>): Promise<void> {
  return withResources(async (resources, config) =>
    work(await createServices(config, { ...resources, log })),
  )
}

/** Works without the services, because a stored key that cannot be opened keeps them from starting. */
function withRotation(work: (rotation: KeyRotation) => Promise<void>): Promise<void> {
  return withResources(async ({ db, keysSecret }, config) => {
    if (hasFixedKey(config)) {
      throw new OperatorError(
        'The only key is JWT_SECRET, which this command cannot change. Another JWT_SECRET ends every ' +
          'token. Without JWT_SECRET, Gatehouse creates, stores and rotates keys',
      )
    }
    await work(openRotation(config, db, keysSecret))
  })
}

function withResources(
  work: (resources: Resources, config: Config) => Promise<void>,
  { migrates = true } = {},
): Promise<void> {
  return reportErrors(async () => {
    const closers: Closers = []
    try {
      const config = readConfig()
      try {
        await work(await openResources(config, { log, closers, migrates, shared: true }), config)
      } catch (error) {
        throw toOperatorError(error, config)
      }
    } finally {
      for (const closer of closers.reverse()) await closer()
    }
  })
}

/** Prints an error that the operator can fix as a sentence. Rethrows any other error, with its stack. */
async function reportErrors(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error === stdoutError) return
    process.exitCode = 1
    const sentence = describeError(error)
    if (sentence === undefined) throw error
    printError(sentence)
  }
}

function readConfig(): Config {
  const faults = addEnvFile(process.env)
  for (const warning of unknownVariables(process.env)) printError(`Warning: ${warning}`)
  return loadConfig(process.env, faults)
}
