import { Command } from 'commander'
import { operator } from '../http/caller.js'
import type { Services } from '../services.js'
import { addExamples } from './examples.js'
import { collect, jsonFlag, printCells, printJson, type Print } from './output.js'
import { withSentences } from './sentences.js'

type Options = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}

/** `gatehouse clients …` */
export function clientCommands({ withServices, print }: Options): Command {
  const clients = new Command('clients').description(
    'administer clients: other services, which authenticate with a name and a secret',
  )

  const add = clients
    .command('add')
    .description('add a client and print its secret; it cannot be shown again')
    .argument('<name>', 'the client_id')
    .option('--role <role>', 'a role in its tokens; repeat the option for more roles', collect, [])
    .action((name: string, { role }: { role: string[] }) =>
      withServices(async (services) => {
        const { client_id, client_secret } = await services.clients.add(operator, name, role)
        print(`client_id=${client_id}`)
        print(`client_secret=${client_secret}`)
      }),
    )
  addExamples(add, 'gatehouse clients add reports', 'gatehouse clients add reports --role admin')

  const list = clients
    .command('list')
    .description('list every client, one per line')
    .option(...jsonFlag)
    .action(({ json }: { json?: boolean }) =>
      withServices(async (services) => {
        const found = (await services.clients.list()).map(({ id, name, roles, created_at }) => ({
          id,
          name,
          roles,
          created_at,
        }))
        if (json) {
          printJson(print, found)
          return
        }
        printCells(print, 'id', 'name', 'roles', 'created')
        for (const client of found) printCells(print, ...Object.values(client))
      }),
    )
  addExamples(list, 'gatehouse clients list', "gatehouse clients list --json | jq -r '.[].name'")

  const remove = clients
    .command('remove')
    .description('remove a client; its tokens are revoked at once')
    .argument('<name>')
    .action((name: string) =>
      withServices(async (services) => {
        const not_found = `There is no client named ${name}.`
        await withSentences(services.clients.remove(operator, name), { not_found })
        print(`${name} removed`)
      }),
    )
  addExamples(remove, 'gatehouse clients remove reports')

  return clients
}
