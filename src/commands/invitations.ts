import { Command, InvalidArgumentError, Option } from 'commander'
import { toSeconds } from '../config/kinds.js'
import { addressKinds, kindOf } from '../features/identifiers/identifiers.js'
import type { Invitation } from '../features/invitations/schemas.js'
import { operator } from '../http/caller.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { collect, jsonFlag, printCells, printJson, readId, type Print } from './output.js'
import { takenSentences, withSentences } from './sentences.js'

type Tools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}
type InviteOptions = { open?: boolean; link?: boolean; role: string[]; expires: number }

/** `gatehouse invite`. */
export function inviteCommand({ withServices, print }: Tools): Command {
  const command = new Command('invite')
    .description('invite someone to register: by a message to the address, or by a link')
    .argument('[address]', 'the e-mail address or mobile number that may register')
    .option('--open', 'print a link with which anyone may register, once')
    .option('--link', 'print the link and send nothing; the address must be confirmed as usual')
    .option('--role <role>', 'a role of the new account; repeat the option for more', collect, [])
    .addOption(
      new Option('--expires <time>', 'how long it is valid: 60s to 30d')
        .argParser(readLifetime)
        .default(604_800, '7d'),
    )
    .action((address: string | undefined, { open, link, role, expires }: InviteOptions) =>
      withServices(async ({ invitations }) => {
        const kind = kindOf(address ?? '') === 'mobile' ? 'mobile' : 'email'
        const to = address === undefined ? {} : { [kind]: address }
        const created = await withSentences(
          invitations.create(operator, {
            ...to,
            ...(open && { open }),
            ...(link && { send: false }),
            roles: role,
            expires_in: expires,
          }),
          { not_found: 'There is no such role.', ...takenSentences(to) },
        )
        print(created.link ?? `${created.invitation.id} sent to ${String(address)}`)
      }),
    )
  return addExamples(
    command,
    'gatehouse invite ada@example.org',
    'gatehouse invite ada@example.org --role editor --expires 2d',
    'gatehouse invite --open',
  )
}

/** `gatehouse invitations …` */
export function invitationCommands({ withServices, print }: Tools): Command {
  const invitations = new Command('invitations').description('administer invitations to register')

  const list = invitations
    .command('list')
    .description('list every invitation, one per line, the newest first')
    .option(...jsonFlag)
    .action(({ json }: { json?: boolean }) =>
      withServices(async (services) => {
        const found: Invitation[] = []
        let cursor: string | undefined
        do {
          const page = await services.invitations.list({ limit: '200', ...(cursor && { cursor }) })
          found.push(...page.invitations)
          cursor = page.next ?? undefined
        } while (cursor !== undefined)
        if (json) {
          printJson(print, found)
          return
        }
        printCells(print, 'id', 'address', 'roles', 'inviter', 'created', 'expires', 'used')
        for (const each of found) {
          const address = addressKinds.map((kind) => each[kind]).find((text) => text !== null)
          const { id, roles, inviter_id, created_at, expires_at, used_at } = each
          printCells(print, id, address, roles, inviter_id, created_at, expires_at, used_at)
        }
      }),
    )
  addExamples(list, 'gatehouse invitations list', 'gatehouse invitations list --json')

  const revoke = invitations
    .command('revoke')
    .description('revoke an invitation that was not used')
    .argument('<id>', 'as in the list', readId)
    .action((id: string) =>
      withServices(async (services) => {
        const not_found = `There is no unused invitation ${id}.`
        await withSentences(services.invitations.revoke(operator, id), { not_found })
        print(`${id} revoked`)
      }),
    )
  addExamples(revoke, 'gatehouse invitations revoke 0192f3a4-5b6c-7d8e-9f01-23456789abcd')

  return invitations
}

/** @throws InvalidArgumentError */
function readLifetime(text: string): number {
  const seconds = /^[1-9][0-9]{0,7}[smhd]$/.test(text) ? toSeconds(text) : 0
  if (seconds >= 60 && seconds <= 2_592_000) return seconds
  throw new InvalidArgumentError('It must be 60s to 30d, such as 12h or 7d.')
}
