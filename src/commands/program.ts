import { Command, Option } from 'commander'
import type { Logger } from 'pino'
import { createHashing } from '../features/passwords/child-process.js'
import { systemClock } from '../concurrency/clock.js'
import type { Config } from '../config/load.js'
import { release } from '../config/release.js'
import { prune } from '../db/retention.js'
import { OperatorError } from '../errors.js'
import { createTransports } from '../features/messages/configured-transports.js'
import type { KeyRotation } from '../features/tokens/rotation.js'
import { operator } from '../http/caller.js'
import type { Resources } from '../process/resources.js'
import { createServices, type Services } from '../services/services.js'
import { doctorRepositories } from '../store.js'
import { apiKeyCommands } from './api-keys.js'
import { auditCommand } from './audit.js'
import { calibrate } from './calibrate.js'
import { clientCommands } from './clients.js'
import type { Confirm } from './confirm.js'
import { doctor, lineOf, type Finding } from './doctor.js'
import { addExamples } from './examples.js'
import { exportCommand } from './export.js'
import { importCommand } from './import.js'
import { invitationCommands, inviteCommand } from './invitations.js'
import { keyCommands } from './keys.js'
import { loginCommands } from './login.js'
import { jsonFlag, printJson, wholeNumber, type Print } from './output.js'
import { readPassword } from './password.js'
import { resetDatabase } from './reset-db.js'
import { takenSentences, withSentences } from './sentences.js'
import { userCommands } from './users.js'

export type Tools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  withRotation: (work: (rotation: KeyRotation) => Promise<void>) => Promise<void>
  withResources: (
    work: (resources: Resources, config: Config) => Promise<void>,
    options?: { migrates?: boolean },
  ) => Promise<void>
  withConfig: (work: (config: Config) => Promise<void>) => Promise<void>
  log: Logger
  print: Print
  /** Undefined if no person can answer. */
  confirm: Confirm | undefined
}

/** Every command of `gatehouse`. docs/reference/command-line.md is generated from it. */
export function createProgram(tools: Tools): Command {
  const { withServices, withRotation, withResources, withConfig, log, print, confirm } = tools
  const program = new Command('gatehouse')
    .description(
      'Administer Gatehouse. The commands read the same environment variables and .env as the server',
    )
    .version(release, '-V, --version', 'print the version')
  addExamples(
    program,
    'gatehouse doctor',
    'gatehouse create-admin ada ada@example.org',
    'gatehouse users list --json',
  )

  const createAdmin = program
    .command('create-admin')
    .description(
      'create an administrator; without PASSWORD, enter it at the prompt or pipe it to stdin',
    )
    .argument('<username>')
    .argument('<email>')
    .argument('[password]')
    .action((username: string, email: string, given?: string) =>
      withServices(async ({ administration }) => {
        const password = given ?? (await readPassword('password'))
        const created = administration.createAdmin(operator, { username, email, password })
        const taken = takenSentences({ username, email })
        const { id } = await withSentences(created, {
          username_taken: `${taken.username_taken} ${toPromote(username)}`,
          email_taken: `${taken.email_taken} ${toPromote(email)}`,
        })
        print(`${username} is an administrator: ${id}`)
      }),
    )
  addExamples(
    createAdmin,
    'gatehouse create-admin ada ada@example.org',
    'pass show gatehouse/ada | gatehouse create-admin ada ada@example.org',
  )
  program.addCommand(userCommands({ withServices, print, confirm }))
  program.addCommand(inviteCommand({ withServices, print }))
  program.addCommand(invitationCommands({ withServices, print }))
  program.addCommand(importCommand({ withServices, print }))
  program.addCommand(exportCommand({ withServices, print }))
  program.addCommand(keyCommands({ withRotation, withResources, print }))
  program.addCommand(clientCommands({ withServices, print }))
  program.addCommand(apiKeyCommands({ withServices, print }))
  program.addCommand(auditCommand({ withServices, print }))

  const resetDb = program
    .command('reset-db')
    .description('delete all data and create an empty schema; rejected in production')
    .option('--yes', 'confirm')
    .action(({ yes }: { yes?: boolean }) =>
      withResources(
        async ({ db, url }, config) => {
          if (config.NODE_ENV === 'production')
            throw new OperatorError('reset-db is not allowed in production')
          if (!yes) throw new OperatorError('reset-db deletes every user: add --yes to confirm')
          await resetDatabase(db, url, log)
          print('The database is empty. Restart the servers that use it.')
        },
        // It must also work on a schema that this release cannot serve.
        { migrates: false },
      ),
    )
  addExamples(resetDb, 'gatehouse reset-db --yes')

  const pruning = program
    .command('prune')
    .description('delete expired rows now; the server also does this at intervals')
    .action(() =>
      withResources(async ({ db }, config) => {
        let total = 0
        for (let removed = -1; removed !== 0; total += removed) {
          removed = await prune(db, config.AUDIT_RETENTION)
        }
        print(`${String(total)} rows removed`)
      }),
    )
  addExamples(pruning, 'gatehouse prune')

  const examine = program
    .command('doctor')
    .description('check everything that an instance needs; exit with 1 if there is a fault')
    .option(...jsonFlag)
    .action(({ json }: { json?: boolean }) =>
      withResources(
        async (resources, config) => {
          const { db, url } = resources
          const clock = systemClock
          const openKeys = () => createServices(config, { ...resources, log })
          const transports = createTransports(config, { log, clock, mailbox: undefined })
          const hashing = createHashing({ threads: config.HASH_LANES, log })
          const options = {
            ...doctorRepositories(db),
            config,
            url,
            openKeys,
            transports,
            hashing,
            clock,
          }
          const findings: Finding[] = []
          const isHealthy = await doctor(options, (finding) => {
            findings.push(finding)
            if (!json) print(lineOf(finding))
          })
          if (json) printJson(print, findings)
          if (!isHealthy) process.exitCode = 1
        },
        { migrates: false },
      ),
    )
  addExamples(
    examine,
    'gatehouse doctor',
    `gatehouse doctor --json | jq '.[] | select(.state == "fault")'`,
  )

  const calibration = program
    .command('calibrate')
    .description('measure how long a password hash takes on this machine, and suggest ARGON2_*')
    .addOption(
      new Option('--target <ms>', 'longest time for one hash, in milliseconds')
        .default(100)
        .argParser(wholeNumber(1, 60_000)),
    )
    .action(({ target }: { target: number }) =>
      withConfig(async ({ HASH_LANES: lanes }) => {
        await calibrate({ hashing: createHashing({ threads: lanes, log }), target, lanes, print })
      }),
    )
  addExamples(calibration, 'gatehouse calibrate', 'gatehouse calibrate --target 250')
  // Here for the help alone: cli.ts runs these without the modules of the server.
  for (const command of loginCommands({ folder: '', print, report: (work) => work() }))
    program.addCommand(command)
  hintAtHelp(program)
  return program
}

function hintAtHelp(command: Command): void {
  command.showHelpAfterError('Add --help for the arguments, the options and examples.')
  for (const each of command.commands) hintAtHelp(each)
}

const toPromote = (user: string) =>
  `To make that user an administrator, run "gatehouse users roles ${user} --grant admin"`
