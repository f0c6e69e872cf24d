import type { Command } from 'commander'
import type { Account } from '../features/administration/schemas.js'
import { operator } from '../http/caller.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { findUser, noUser } from './find-user.js'
import { collect, jsonFlag, printCells, printJson, type Print } from './output.js'
import { takenSentences, withSentences } from './sentences.js'
import { stateOf, type UserTools } from './user-tools.js'

type NewUser = { username?: string; email?: string; mobile?: string; name?: string; role: string[] }
type Json = { json?: boolean }

/** Adds `gatehouse users show|create|roles|sessions`. */
export function userDetailCommands(users: Command, { withServices, print }: UserTools): void {
  const withUser = (text: string, work: (services: Services, user: Account) => Promise<void>) =>
    withServices(async (services) => {
      const id = await findUser(services.store, text)
      const found = services.administration.get(id)
      await work(services, await withSentences(found, { not_found: noUser(text) }))
    })

  const show = users
    .command('show')
    .description('show a user, one field per line')
    .argument('<user>')
    .option(...jsonFlag)
    .action((text: string, { json }: Json) =>
      withUser(text, async (_services, user) => {
        if (json) printJson(print, user)
        else showUser(user, print)
      }),
    )
  addExamples(show, 'gatehouse users show ada@example.org', 'gatehouse users show ada --json')

  const create = users
    .command('create')
    .description('create a user and send a message to choose a password')
    .option('--email <address>', 'the message goes here')
    .option('--mobile <number>', 'the message goes here if there is no e-mail address')
    .option('--username <username>')
    .option('--name <name>', 'display name')
    .option('--role <role>', 'a role beside `user`; repeat the option for more roles', collect, [])
    .action(({ role, ...body }: NewUser) =>
      withServices(async ({ administration }) => {
        const made = administration.create(operator, { ...body, roles: role })
        const { id } = await withSentences(made, {
          ...takenSentences(body),
          not_found: noRole(role),
        })
        print(`${id} created: ${String(body.email ?? body.mobile)} gets an invitation`)
      }),
    )
  addExamples(
    create,
    'gatehouse users create --email ada@example.org',
    "gatehouse users create --email ada@example.org --name 'Ada Lovelace' --role editor",
  )

  const roles = users
    .command('roles')
    .description('list the roles of a user, one per line, after granting and revoking others')
    .argument('<user>')
    .option('--grant <role>', 'repeat the option for more roles', collect, [])
    .option('--revoke <role>', 'repeat the option for more roles', collect, [])
    .option(...jsonFlag)
    .action((text: string, { grant, revoke, json }: Json & Record<'grant' | 'revoke', string[]>) =>
      withUser(text, async ({ administration, roles: service }, { id }) => {
        for (const role of grant) {
          await withSentences(service.grant(operator, id, role), { not_found: noRole([role]) })
        }
        for (const role of revoke) {
          const not_found = `The user does not have the role ${role}.`
          await withSentences(service.revoke(operator, id, role), { not_found })
        }
        const { roles: names } = await administration.get(id)
        if (json) printJson(print, names)
        else for (const name of names) print(name)
      }),
    )
  addExamples(
    roles,
    'gatehouse users roles ada@example.org',
    'gatehouse users roles ada@example.org --grant admin --revoke editor',
  )

  const sessions = users
    .command('sessions')
    .description('list the sessions of a user, the most recently used first')
    .argument('<user>')
    .option('--end', 'end them all instead: the user must log in again')
    .option(...jsonFlag)
    .action((text: string, { end, json }: Json & { end?: boolean }) =>
      withUser(text, async ({ administration, store }, { id }) => {
        if (end) {
          print(`${String(await administration.endSessions(operator, id))} sessions ended`)
          return
        }
        const found = await store.sessions.list(id)
        if (json) {
          printJson(print, found)
          return
        }
        printCells(print, 'id', 'created', 'last used', 'expires', 'address', 'user agent')
        for (const each of found) {
          const times = [each.created_at, each.last_used_at, each.expires_at]
          printCells(print, each.id, ...times, each.address, each.user_agent)
        }
      }),
    )
  addExamples(
    sessions,
    'gatehouse users sessions ada@example.org',
    'gatehouse users sessions ada@example.org --end',
  )
}

function showUser(user: Account, print: Print): void {
  printCells(print, 'state', stateOf(user))
  for (const [name, value] of Object.entries(user)) {
    if (name !== 'active') printCells(print, name, value) // the state says more
  }
}

const noRole = (names: string[]) =>
  names.length === 1
    ? `There is no role ${String(names[0])}: create it with POST /api/roles.`
    : `One of the roles ${names.join(', ')} does not exist: create it with POST /api/roles.`
