#!/usr/bin/env node
import { Command, Option } from 'commander'
import { operator } from './http/caller.js'
import { calibrate } from './commands/calibrate.js'
import { clientCommands } from './commands/clients.js'
import { doctor } from './commands/doctor.js'
import { listKeys, removeKey, rotateKeys } from './commands/keys.js'
import { askPassword } from './commands/password.js'
import { resetDatabase } from './commands/reset-db.js'
import { secretCommands } from './commands/secret.js'
import { findUser, listUsers } from './commands/users.js'
import { ConfigError, loadConfig, type Config } from './config/load.js'
import { prune } from './db/retention.js'
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

const program = new Command('gatehouse').description(
  'Looks after a Gatehouse: reads the same environment as the server',
)

program
  .command('create-admin')
  .description('make an administrator; without PASSWORD it is asked for, or read from stdin')
  .argument('<username>')
  .argument('<email>')
  .argument('[password]')
  .action((username: string, email: string, given?: string) =>
    withServices(async ({ administration }) => {
      const password = given ?? (await askPassword('Password'))
      const { id } = await administration.createAdmin(operator, { username, email, password })
      print(`${username} is an administrator: ${id}`)
    }),
  )

const users = program
  .command('users')
  .description('look after users; USER is an id, an e-mail address, a username or a mobile number')

users
  .command('list')
  .description('every user, newest first, a line each')
  .option('--search <text>', 'part of a name, username, e-mail address or mobile number')
  .action(({ search }: { search?: string }) =>
    withServices(({ administration }) => listUsers(administration, search, print)),
  )

command('disable', 'end every session, and let none begin', async ({ administration }, id) => {
  await administration.disable(operator, id)
  return 'disabled'
})
command('enable', 'let a user log in again', async ({ administration }, id) => {
  await administration.enable(operator, id)
  return 'enabled'
})
command('delete', 'delete a user and all that belongs to them', async (services, id) => {
  await services.administration.delete(operator, id)
  return 'deleted'
})
command('reset', 'take the password away, and ask for another', async (services, id) => {
  await services.administration.forceReset(operator, id)
  return 'asked to choose another password'
})

const keys = program
  .command('keys')
  .description('look after the keys that sign tokens; the server rotates them by itself')

keys
  .command('list')
  .description("every key in the order in which they sign, a line each; times are the database's")
  .action(() => withRotation((rotation) => listKeys(rotation, print)))

keys
  .command('rotate')
  .description('publish the next key; it signs when whoever verifies tokens can have fetched it')
  .option('--now', 'sign at once: who keeps the JWK set refuses its tokens for up to five minutes')
  .action(({ now = false }: { now?: boolean }) =>
    withRotation((rotation) => rotateKeys(rotation, now, print)),
  )

keys
  .command('remove')
  .description(
    'in an emergency, remove a key: every access and refresh token that it signed is dead at once. ' +
      'Sessions whose refresh token another key signed go on; the others must log in again. ' +
      'Where it is the key that signs, another takes its place',
  )
  .argument('<kid>')
  .action((kid: string) => withRotation((rotation) => removeKey(rotation, kid, print)))
secretCommands(keys, { withResources, print })
program.addCommand(clientCommands({ withServices, print }))

program
  .command('reset-db')
  .description('delete everything and make the empty schema again; never in production')
  .option('--yes', 'really')
  .action(({ yes }: { yes?: boolean }) =>
    withResources(async ({ db, url }, config) => {
      if (config.NODE_ENV === 'production')
        throw new OperatorError('reset-db is refused in production')
      if (!yes) throw new OperatorError('reset-db deletes every user: add --yes to mean it')
      await resetDatabase(db, url, log)
      print('The database is empty. Restart the servers that use it.')
    }),
  )

program
  .command('prune')
  .description('remove what has expired now; the server does it by itself')
  .action(() =>
    withResources(async ({ db }, config) => {
      let total = 0
      for (let removed = -1; removed !== 0; total += removed) {
        removed = await prune(db, config.AUDIT_RETENTION)
      }
      print(`${String(total)} rows removed`)
    }),
  )

program
  .command('doctor')
  .description('check everything that an instance needs; exits with 1 at a fault')
  .action(() =>
    withResources(
      async (resources, config) => {
        const transports = async () =>
          (await createServices(config, { ...resources, log })).transports
        const options = { config, db: resources.db, transports, now: () => new Date() }
        if (!(await doctor(options, print))) process.exitCode = 1
      },
      { migrates: false },
    ),
  )

program
  .command('calibrate')
  .description('measure what a password costs on this machine, and suggest ARGON2_*')
  .addOption(
    new Option('--target <ms>', 'longest time for one hash').default(100).argParser(Number),
  )
  .action(({ target }: { target: number }) =>
    reporting(() => calibrate(target, loadConfig(process.env).HASH_LANES, print)),
  )

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

function command(
  name: string,
  description: string,
  act: (services: Services, id: string) => Promise<string>,
): void {
  users
    .command(name)
    .description(description)
    .argument('<user>')
    .action((text: string) =>
      withServices(async (services) => {
        const id = await findUser(services.store, text)
        print(`${id} ${await act(services, id)}`)
      }),
    )
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
