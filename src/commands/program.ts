import { Command, Option } from 'commander'
import type { Logger } from 'pino'
import type { Config } from '../config/load.js'
import { prune } from '../db/retention.js'
import { OperatorError } from '../errors.js'
import type { KeyRotation } from '../features/tokens/rotation.js'
import { operator } from '../http/caller.js'
import type { Resources } from '../open-resources.js'
import { createServices, type Services } from '../services.js'
import { doctorRepositories } from '../store.js'
import { calibrate } from './calibrate.js'
import { clientCommands } from './clients.js'
import { doctor } from './doctor.js'
import { listKeys, removeKey, rotateKeys } from './keys.js'
import { askPassword } from './password.js'
import { resetDatabase } from './reset-db.js'
import { secretCommands } from './secret.js'
import { findUser, listUsers } from './users.js'

export type Tools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  withRotation: (work: (rotation: KeyRotation) => Promise<void>) => Promise<void>
  withResources: (
    work: (resources: Resources, config: Config) => Promise<void>,
    options?: { migrates?: boolean },
  ) => Promise<void>
  withConfig: (work: (config: Config) => Promise<void>) => Promise<void>
  log: Logger
  print: (line: string) => void
}

/** Every command with its arguments and options. cli.ts runs it, and docs/reference/command-line.md lists it. */
export function createProgram(tools: Tools): Command {
  const { withServices, withResources, withConfig, log, print } = tools
  const program = new Command('gatehouse').description(
    'Administer Gatehouse. It reads the same environment as the server',
  )

  program
    .command('create-admin')
    .description(
      'create an administrator; without PASSWORD the command asks for it, or reads it from stdin',
    )
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
  addUserCommands(program, tools)
  addKeyCommands(program, tools)
  program.addCommand(clientCommands({ withServices, print }))

  program
    .command('reset-db')
    .description('delete everything and create the empty schema; refused in production')
    .option('--yes', 'confirm')
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
    .description('remove expired rows now; the server also does it by itself')
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
    .description('check everything that an instance needs; exit with 1 at a fault')
    .action(() =>
      withResources(
        async (resources, config) => {
          const transports = async () =>
            (await createServices(config, { ...resources, log })).transports
          const repositories = doctorRepositories(resources.db)
          const options = { ...repositories, config, transports, now: () => new Date() }
          if (!(await doctor(options, print))) process.exitCode = 1
        },
        { migrates: false },
      ),
    )

  program
    .command('calibrate')
    .description('measure the cost of a password hash on this machine, and suggest ARGON2_*')
    .addOption(
      new Option('--target <ms>', 'longest time for one hash, in milliseconds')
        .default(100)
        .argParser(Number),
    )
    .action(({ target }: { target: number }) =>
      withConfig((config) => calibrate(target, config.HASH_LANES, print)),
    )
  return program
}

function addUserCommands(program: Command, { withServices, print }: Tools): void {
  const users = program
    .command('users')
    .description(
      'administer users; USER is an id, an e-mail address, a username or a mobile number',
    )

  users
    .command('list')
    .description('list every user, newest first, a line each')
    .option('--search <text>', 'part of a name, username, e-mail address or mobile number')
    .action(({ search }: { search?: string }) =>
      withServices(({ administration }) => listUsers(administration, search, print)),
    )

  command(
    'disable',
    'end every session of a user, and refuse new logins',
    async ({ administration }, id) => {
      await administration.disable(operator, id)
      return 'disabled'
    },
  )
  command('enable', 'let a user log in again', async ({ administration }, id) => {
    await administration.enable(operator, id)
    return 'enabled'
  })
  command('delete', 'delete a user with all their data', async (services, id) => {
    await services.administration.delete(operator, id)
    return 'deleted'
  })
  command(
    'reset',
    'remove the password of a user, and ask them to choose another',
    async (services, id) => {
      await services.administration.forceReset(operator, id)
      return 'asked to choose another password'
    },
  )

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
}

function addKeyCommands(program: Command, { withRotation, withResources, print }: Tools): void {
  const keys = program
    .command('keys')
    .description('administer the signing keys; the server also rotates them by itself')

  keys
    .command('list')
    .description(
      "list every key in the order in which they sign, a line each, by the database's clock",
    )
    .action(() => withRotation((rotation) => listKeys(rotation, print)))

  keys
    .command('rotate')
    .description('publish the next key; it signs 15 minutes later, when verifiers have fetched it')
    .option(
      '--now',
      'sign at once; verifiers that cached the JWK set refuse its tokens for up to five minutes',
    )
    .action(({ now = false }: { now?: boolean }) =>
      withRotation((rotation) => rotateKeys(rotation, now, print)),
    )

  keys
    .command('remove')
    .description(
      'remove a key that leaked: every access and refresh token that it signed is dead at once. ' +
        'Sessions whose refresh token belongs to another key go on; the others must log in again. ' +
        'If it is the signing key, another takes its place',
    )
    .argument('<kid>')
    .action((kid: string) => withRotation((rotation) => removeKey(rotation, kid, print)))
  secretCommands(keys, { withResources, print })
}
