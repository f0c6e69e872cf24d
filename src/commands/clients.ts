import { Command } from 'commander'
import { operator } from '../http/caller.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { collect, jsonFlag, printCells, printJson, type Print } from './output.js'
import { withSentences } from './sentences.js'

type Options = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}

type AddOptions = {
  role: string[]
  redirectUri: string[]
  public?: boolean
  device?: boolean
  attests?: boolean
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
    .option(
      '--redirect-uri <uri>',
      'where a browser returns with a code, exactly; repeat the option for more',
      collect,
      [],
    )
    .option('--public', 'no secret: for an app whose users can read its files')
    .option('--device', 'may log users in by a code on another device (RFC 8628)')
    .option('--attests', 'also a key, by which a site attests the addresses of its visitors')
    .action((name: string, { role, redirectUri, ...flags }: AddOptions) =>
      withServices(async (services) => {
        const { public: is_public = false, device: allows_device = false, attests = false } = flags
        const options = { redirect_uris: redirectUri, is_public, allows_device, attests }
        const added = await services.clients.add(operator, name, role, options)
        const { client_id, client_secret, site_key } = added
        print(`client_id=${client_id}`)
        if (client_secret !== undefined) print(`client_secret=${client_secret}`)
        if (site_key !== undefined) print(`site_key=${site_key}`)
      }),
    )
  addExamples(
    add,
    'gatehouse clients add reports',
    'gatehouse clients add reports --role admin',
    'gatehouse clients add shop --redirect-uri https://shop.example.org/callback',
    'gatehouse clients add www --attests',
    'gatehouse clients add tv --public --device',
    'gatehouse clients add spa --public --redirect-uri https://spa.example.org/',
  )

  const list = clients
    .command('list')
    .description('list every client, one per line')
    .option(...jsonFlag)
    .action(({ json }: { json?: boolean }) =>
      withServices(async (services) => {
        const found = (await services.clients.list()).map((client) => ({
          id: client.id,
          name: client.name,
          roles: client.roles,
          created_at: client.created_at,
          redirect_uris: client.redirect_uris,
          is_public: client.is_public,
          allows_device: client.allows_device,
          attests: client.attests,
        }))
        if (json) {
          printJson(print, found)
          return
        }
        printCells(
          print,
          ...['id', 'name', 'roles', 'created', 'redirect URIs', 'public', 'device', 'attests'],
        )
        for (const client of found) printCells(print, ...Object.values(client))
      }),
    )
  addExamples(list, 'gatehouse clients list', "gatehouse clients list --json | jq -r '.[].name'")

  const change = clients
    .command('set-redirect-uris')
    .description('replace the redirect URIs of a client')
    .argument('<name>')
    .argument(
      '[uris...]',
      'where a browser returns with a code, exactly; without one, the client logs no one in',
    )
    .action((name: string, uris: string[]) =>
      withServices(async (services) => {
        const not_found = `There is no client named ${name}.`
        const changed = services.clients.setRedirectUris(operator, name, uris)
        await withSentences(changed, { not_found })
        print(`${name} changed`)
      }),
    )
  addExamples(
    change,
    'gatehouse clients set-redirect-uris shop https://shop.example.org/callback https://shop.example.com/callback',
  )

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
