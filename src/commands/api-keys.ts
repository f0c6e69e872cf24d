import { Command, Option } from 'commander'
import { defaultKeyDays, maxKeyDays } from '../features/api-keys/schemas.js'
import { operator } from '../http/caller.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { findUser, noUser } from './find-user.js'
import {
  collect,
  jsonFlag,
  printCells,
  printJson,
  readId,
  wholeNumber,
  type Print,
} from './output.js'
import { withSentences } from './sentences.js'

type Options = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}

type AddOptions = { role: string[]; days: number; json?: boolean }

/** `gatehouse api-keys …` */
export function apiKeyCommands({ withServices, print }: Options): Command {
  const apiKeys = new Command('api-keys').description(
    'administer API keys: secrets of a user for scripts; USER is an id, an e-mail address, a username or a mobile number',
  )

  const add = apiKeys
    .command('add')
    .description('add an API key and print it; it cannot be shown again')
    .argument('<user>')
    .argument('<name>', 'what the key is for')
    .option('--role <role>', 'a role that it may use; repeat the option for more', collect, [])
    .addOption(
      new Option('--days <days>', 'how long it lives')
        .default(defaultKeyDays)
        .argParser(wholeNumber(1, maxKeyDays)),
    )
    .option(...jsonFlag)
    .action((user: string, name: string, { role: roles, days, json }: AddOptions) =>
      withServices(async (services) => {
        const id = await findUser(services.store, user)
        const options = { name, roles, expires_in_days: days }
        const added = services.apiKeys.add(operator, id, options)
        const { key, api_key } = await withSentences(added, {
          not_found: noUser(user),
          api_key_limit: `${user} has 50 API keys already: revoke one that is no longer used.`,
        })
        if (json) printJson(print, { key, api_key })
        else print(key)
      }),
    )
  addExamples(
    add,
    'gatehouse api-keys add ada backup',
    'gatehouse api-keys add ada@example.org export --role admin --days 30',
  )

  const list = apiKeys
    .command('list')
    .description('list the API keys of a user, one per line, the newest first')
    .argument('<user>')
    .option(...jsonFlag)
    .action((user: string, { json }: { json?: boolean }) =>
      withServices(async (services) => {
        const found = await services.apiKeys.list(await findUser(services.store, user))
        if (json) {
          printJson(print, found)
          return
        }
        printCells(print, 'id', 'name', 'roles', 'created', 'expires', 'last used')
        for (const { id, name, roles, created_at, expires_at, last_used_at } of found)
          printCells(print, id, name, roles, created_at, expires_at, last_used_at)
      }),
    )
  addExamples(
    list,
    'gatehouse api-keys list ada',
    "gatehouse api-keys list ada --json | jq -r '.[] | select(.last_used_at == null) | .id'",
  )

  const revoke = apiKeys
    .command('revoke')
    .description('revoke an API key; it is refused at once')
    .argument('<id>', 'of the list', readId)
    .action((id: string) =>
      withServices(async (services) => {
        const not_found = `There is no API key ${id}.`
        await withSentences(services.apiKeys.remove(operator, id), { not_found })
        print(`${id} revoked`)
      }),
    )
  addExamples(revoke, 'gatehouse api-keys revoke 0192f3a4-5b6c-7d8e-9f01-23456789abcd')

  return apiKeys
}
