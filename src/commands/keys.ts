import { Command } from 'commander'
import type { Config } from '../config/load.js'
import { leadTime } from '../config/key-life.js'
import type { KeyRotation, RotatedKey } from '../features/tokens/rotation.js'
import type { Resources } from '../process/resources.js'
import { addExamples } from './examples.js'
import { jsonFlag, printCells, printJson, type Print } from './output.js'
import { secretCommands } from './secret.js'
import { withSentences } from './sentences.js'

type List = Awaited<ReturnType<KeyRotation['list']>>
type Listed = List['keys'][number]

type Options = {
  withRotation: (work: (rotation: KeyRotation) => Promise<void>) => Promise<void>
  withResources: (work: (resources: Resources, config: Config) => Promise<void>) => Promise<void>
  print: Print
}

/** `gatehouse keys …` */
export function keyCommands({ withRotation, withResources, print }: Options): Command {
  const keys = new Command('keys').description(
    'administer the signing keys; the server also rotates them by itself',
  )

  const list = keys
    .command('list')
    .description(
      "list every key, one per line, in the order in which they sign; times are by the database's clock",
    )
    .option(...jsonFlag)
    .action(({ json }: { json?: boolean }) =>
      withRotation((rotation) => listKeys(rotation, print, json)),
    )
  addExamples(
    list,
    'gatehouse keys list',
    `gatehouse keys list --json | jq -r '.[] | select(.state == "signs") | .kid'`,
  )

  const rotate = keys
    .command('rotate')
    .description('publish the next key; it signs 15 minutes later, when verifiers have fetched it')
    .option(
      '--now',
      'sign at once; verifiers that cached the JWK set refuse its tokens for up to five minutes',
    )
    .action(({ now = false }: { now?: boolean }) =>
      withRotation((rotation) => rotateKeys(rotation, now, print)),
    )
  addExamples(rotate, 'gatehouse keys rotate', 'gatehouse keys rotate --now')

  const remove = keys
    .command('remove')
    .description(
      'remove a leaked key: every access and refresh token that it signed is revoked at once. ' +
        'Sessions whose refresh token belongs to another key continue; other users must log in again. ' +
        'If it is the signing key, another key replaces it',
    )
    .argument('<kid>')
    .action((kid: string) => withRotation((rotation) => removeKey(rotation, kid, print)))
  addExamples(remove, 'gatehouse keys remove pDLPkyXlgyCNtVnC5XIs9AL2FcWCcUPIlkaFAfSYC2A')
  secretCommands(keys, { withResources, print })
  return keys
}

/** Prints a header and a line for each key, separated by tabs, or a JSON array. */
export async function listKeys(
  rotation: Pick<KeyRotation, 'list'>,
  print: Print,
  json = false,
): Promise<void> {
  const list = await rotation.list()
  const rows = list.keys.map((key) => ({
    kid: key.kid,
    algorithm: key.algorithm,
    state: stateOf(key, list),
    created_at: key.created_at,
    signs_from: key.signs_from,
    retires_at: timeOf(key.retiresAt),
    removed_at: timeOf(Math.max(...Object.values(key.until))),
  }))
  if (json) {
    printJson(print, rows)
    return
  }
  const head = ['kid', 'algorithm', 'state', 'published', 'signs from', 'retired from', 'removed']
  printCells(print, ...head)
  for (const row of rows) printCells(print, ...Object.values(row))
}

/** `refreshes` means: the key is no longer in the JWK set and only verifies refresh tokens. */
function stateOf({ kid, signsFrom, until }: Listed, { signer, now }: List): string {
  if (kid === signer) return 'signs'
  if (signsFrom > now) return 'published'
  if (now < until['at+jwt']) return 'verifies'
  return now < until['rt+jwt'] ? 'refreshes' : 'expired'
}

// A Date cannot hold an infinite time.
const timeOf = (ms: number) => (ms < 8.64e15 ? new Date(ms).toISOString() : null)

export async function rotateKeys(
  rotation: KeyRotation,
  atOnce: boolean,
  print: Print,
): Promise<void> {
  const key = await rotation.rotate(atOnce ? 0 : leadTime)
  const wasPublished = !key.is_new && !atOnce
  print(`${key.kid} ${wasPublished ? 'is already published and ' : ''}${signing(key)}`)
}

export async function removeKey(rotation: KeyRotation, kid: string, print: Print): Promise<void> {
  const not_found = `There is no key ${kid}: see gatehouse keys list.`
  const next = await withSentences(rotation.remove(kid), { not_found })
  print(`${kid} is removed`)
  if (next) print(`${next.kid} ${signing(next)}`)
}

const signing = ({ signs_from }: RotatedKey) => `signs from ${signs_from}`
