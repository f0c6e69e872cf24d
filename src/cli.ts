#!/usr/bin/env node
import { createProgram } from './commands/program.js'
import { ConfigError, loadConfig, type Config } from './config/load.js'
import { AppError, OperatorError } from './errors.js'
import { createLogger } from './log/logger.js'
import { openResources, type Closers, type Resources } from './open-resources.js'
import { createServices, hasFixedKey, openRotation, type Services } from './services.js'
import type { KeyRotation } from './features/tokens/rotation.js'

/** stdout takes no more: its reader has gone, or its disk is full. */
let broken: NodeJS.ErrnoException | undefined
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  broken ??= error
})
process.stderr.on('error', () => undefined)
const print = (line: string) => {
  process.stdout.write(`${line}\n`)
  if (broken) throw broken
}
// So that the embedded database, which ends with the event `exit`, does not outlive a command.
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => process.exit(128 + number))
}
const complain = (line: string) => void process.stderr.write(`${line}\n`)
const log = createLogger('warn', process.stderr)

const program = createProgram({
  withServices,
  withRotation,
  withResources,
  withConfig: (work) => reporting(() => work(loadConfig(process.env))),
  log,
  print,
})
await program.parseAsync()
await new Promise(setImmediate) // errors of stdout come a little later
if (broken) reportBroken(broken)
// What is left is a connection that does not answer, if anything.
process.exit()

/** If a reader such as `head` closes the pipe, exit as after SIGPIPE, without an error message. */
function reportBroken(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exitCode = 141
  else {
    process.exitCode = 1
    complain(`stdout cannot be written: ${error.message}`)
  }
}

function withServices(work: (services: Services) => Promise<void>): Promise<void> {
  return withResources(async (resources, config) =>
    work(await createServices(config, { ...resources, log })),
  )
}

/** Without the services: a key that cannot be opened keeps them from starting. */
function withRotation(work: (rotation: KeyRotation) => Promise<void>): Promise<void> {
  return withResources(async ({ db, keysSecret }, config) => {
    if (hasFixedKey(config)) {
      throw new OperatorError(
        'The only key is JWT_SECRET, which nothing here can change: another JWT_SECRET ends every ' +
          'token; without one, keys are made, stored and rotated',
      )
    }
    await work(openRotation(config, db, keysSecret))
  })
}

function withResources(
  work: (resources: Resources, config: Config) => Promise<void>,
  { migrates = true } = {},
): Promise<void> {
  return reporting(async () => {
    const closers: Closers = []
    try {
      const config = loadConfig(process.env)
      await work(await openResources(config, { log, closers, migrates }), config)
    } finally {
      for (const closer of closers.reverse()) await closer()
    }
  })
}

/** What a person can mend is said in a line; anything else with all that is known of it. */
async function reporting(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error === broken) return
    process.exitCode = 1
    if (error instanceof AppError) {
      const faults = (error.fields ?? []).map(({ field, message }) => `${field} ${message}`)
      const { cause } = error
      const why = cause instanceof Error ? [cause.message] : []
      complain([error.message, ...faults, ...why].join(': '))
    } else if (error instanceof ConfigError || error instanceof OperatorError)
      complain(error.message)
    else throw error
  }
}
