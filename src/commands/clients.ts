import { Command } from 'commander'
import { operator } from '../http/caller.js'
import type { Services } from '../services.js'

type Options = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: (line: string) => void
}

/** `gatehouse clients …` */
export function clientCommands({ withServices, print }: Options): Command {
  const clients = new Command('clients').description(
    'administer clients: other services, which authenticate by a name and a secret',
  )

  clients
    .command('add')
    .description('add a client, and print its secret, once')
    .argument('<name>', 'the client_id')
    .option('--role <role>', 'a role of its own tokens; repeat it for more roles', collect, [])
    .action((name: string, { role }: { role: string[] }) =>
      withServices(async (services) => {
        const { client_id, client_secret } = await services.clients.add(operator, name, role)
        print(`client_id=${client_id}`)
        print(`client_secret=${client_secret}`)
      }),
    )

  clients
    .command('list')
    .description('list every client, a line each')
    .action(() =>
      withServices(async (services) => {
        print(['id', 'name', 'roles', 'created'].join('\t'))
        for (const { id, name, roles, created_at } of await services.clients.list()) {
          print([id, name, roles.join(','), created_at].join('\t'))
        }
      }),
    )

  clients
    .command('remove')
    .description('remove a client; its tokens are dead at once')
    .argument('<name>')
    .action((name: string) =>
      withServices(async (services) => {
        await services.clients.remove(operator, name)
        print(`${name} removed`)
      }),
    )

  return clients
}

const collect = (value: string, before: string[]) => [...before, value]
