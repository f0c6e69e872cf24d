import { Command } from 'commander'
import { withSentences } from './sentences.js'
import { requireYes } from './confirm.js'
import { addExamples } from './examples.js'
import { findUser, noUser } from './find-user.js'
import { nameOfScheme } from './import-report.js'
import { jsonFlag, printCells, printJson, type Print } from './output.js'
import { userDetailCommands } from './user-details.js'
import { stateOf, type UserTools } from './user-tools.js'
import type { Account } from '../features/administration/schemas.js'
import type { AdministrationService } from '../features/administration/service.js'
import { operator } from '../http/caller.js'
import type { Services } from '../services/services.js'

/** `gatehouse users …` */
export function userCommands(tools: UserTools): Command {
  const { withServices, print, confirm } = tools
  const users = new Command('users').description(
    'administer users; USER is an id, an e-mail address, a username or a mobile number',
  )

  const list = users
    .command('list')
    .description('list every user, one per line, the newest first')
    .option(
      '--search <text>',
      'only users with this text in their name, username, e-mail address or mobile number',
    )
    .option(...jsonFlag)
    .action(({ search, json }: { search?: string; json?: boolean }) =>
      withServices(({ administration }) => listUsers(administration, { search, json }, print)),
    )
  addExamples(
    list,
    'gatehouse users list --search @example.org',
    "gatehouse users list --json | jq -r '.[] | select(.disabled_at) | .email'",
  )
  const stats = users
    .command('stats')
    .description(
      'count the users by the scheme of their password hash; an imported scheme disappears after all its users have logged in',
    )
    .option(...jsonFlag)
    .action(({ json }: { json?: boolean }) =>
      withServices(async ({ store }) => {
        const counts = (await store.users.countPasswordSchemes()).map(({ scheme, users }) => ({
          scheme: scheme === null ? 'argon2id' : nameOfScheme(scheme),
          users,
        }))
        if (json) {
          printJson(print, counts)
          return
        }
        printCells(print, 'users', 'scheme')
        for (const { scheme, users } of counts) printCells(print, users, scheme)
      }),
    )
  addExamples(stats, 'gatehouse users stats', 'gatehouse users stats --json')
  userDetailCommands(users, tools)

  command('disable', 'end every session of a user and reject new logins', async (services, id) => {
    await services.administration.disable(operator, id)
    return 'disabled'
  })
  command('enable', 'let a user log in again', async (services, id) => {
    await services.administration.enable(operator, id)
    return 'enabled'
  })
  command(
    'reset',
    'remove the password of a user and send a message to choose another',
    async (services, id) => {
      await services.administration.forceReset(operator, id)
      return 'reset: the user gets a message with a link to choose a new password'
    },
  )
  command(
    'remove-factor',
    'remove the second factor and the passkeys of a user and end every session; the user is told',
    async (services, id) => {
      await services.factors.removeOf(operator, id)
      return 'second factor and passkeys removed'
    },
  )
  command(
    'delete',
    'delete a user and all their data; asks before, unless --yes is given',
    async (services, id, { yes }) => {
      const user = await services.administration.get(id)
      if (!yes) await requireYes(confirm, `Delete ${nameOf(user)} and all data of this user?`)
      await services.administration.delete(operator, id)
      return 'deleted'
    },
  ).option('--yes', 'confirm')

  return users

  function command(
    name: string,
    description: string,
    act: (services: Services, id: string, options: { yes?: boolean }) => Promise<string>,
  ): Command {
    const made = users
      .command(name)
      .description(description)
      .argument('<user>')
      .action((text: string, options: { yes?: boolean }) =>
        withServices(async (services) => {
          const id = await findUser(services.store, text)
          const done = await withSentences(act(services, id, options), {
            not_found:
              name === 'remove-factor'
                ? `${text} has no second factor and no passkey.`
                : noUser(text),
          })
          print(`${id} ${done}`)
        }),
      )
    const flag = name === 'delete' ? ' --yes' : ''
    return addExamples(
      made,
      `gatehouse users ${name} ada@example.org${flag}`,
      `gatehouse users ${name} 0192f3a4-5b6c-7d8e-9f01-23456789abcd${flag}`,
    )
  }
}

type ListOptions = { search: string | undefined; json?: boolean | undefined }

/** Prints a header and a line for each user. The columns are separated by tabs. */
export async function listUsers(
  administration: Pick<AdministrationService, 'list'>,
  { search, json = false }: ListOptions,
  print: Print,
): Promise<void> {
  const all: Account[] = []
  if (!json) printCells(print, 'id', 'username', 'email', 'mobile', 'state', 'roles', 'last login')
  let cursor: string | undefined
  do {
    const filter = { ...(search && { search }), ...(cursor && { cursor }) }
    const { users, next } = await administration.list({ limit: '200', ...filter })
    if (json) all.push(...users)
    else for (const user of users) printUser(user, print)
    cursor = next ?? undefined
  } while (cursor !== undefined)
  if (json) printJson(print, all)
}

function printUser(account: Account, print: Print): void {
  const { id, username, email, mobile, roles, last_login_at } = account
  printCells(print, id, username, email, mobile, stateOf(account), roles, last_login_at)
}

const nameOf = ({ id, email, username, mobile }: Account) =>
  `${email ?? username ?? mobile ?? 'the user'} (${id})`
