import { revocationsLifetime, type RevocationClaims } from '@gatehouse/verify/protocol'
import { createHash } from 'node:crypto'
import type { DenylistRepository, Listing } from '../denylist/repository.js'
import { AppError } from '../../errors.js'
import type { Keyring } from '../tokens/keyring.js'
import { readCursor, writeCursor, type Cursor } from './cursor.js'
import { createLog, type Head } from './log.js'
import { createShared } from '../../concurrency/shared.js'

type Dependencies = {
  denylist: Pick<DenylistRepository, 'listSince' | 'listAfter' | 'beginHistory'>
  keyring: Pick<Keyring, 'current' | 'follow' | 'jwks'>
  /** How long an access token lives, in seconds. */
  accessTtl: number
  /** Milliseconds from anywhere, that only grow. */
  clock?: () => number
}

/** A signed answer; `etag` is that of these very bytes. */
export type Revocations = { token: string; etag: string }

type Content = Omit<RevocationClaims, 'iss' | 'iat' | 'exp' | 'at' | 'keys' | 'lifetime'>
type Signed = Revocations & { content: string; signedAt: number }

/** Most entries in an answer, which then has about 400 KB. */
export const pageSize = 5_000
const keepFor = 100
const rememberFor = 1_000
const maxWaiting = 32
const firstId = '00000000-0000-0000-0000-000000000000'

/**
 * What is denied, for services that verify tokens on their own: all of it, or since a cursor, which is
 * a snapshot of the database. Any instance answers the cursors of any other, and whatever the order of
 * commits nothing is left out. A cursor of another history of the database, as before a failover, gets
 * the list of all. However many ask, the database is asked ten times a second.
 */
export function createRevocations(dependencies: Dependencies) {
  const { denylist, keyring, accessTtl: lifetime, clock = monotonic } = dependencies
  const log = createLog({ denylist, most: pageSize })
  const looks = createShared<Head>({ keepFor, rememberFor: keepFor, clock })
  const answers = createShared<Signed>({ keepFor, rememberFor, clock })
  let turn: Promise<unknown> = Promise.resolve()
  let waiting = 0

  return {
    /**
     * What came after a cursor; all of it where that is none that can be answered.
     * @throws AppError `unavailable`, `overloaded`; `not_found` where no key verifies without a secret
     */
    async read(text: string | undefined): Promise<Revocations> {
      if (!keyring.current().jwk) throw new AppError('not_found')
      const cursor = text === undefined ? undefined : readCursor(text)
      const key = cursor ? writeCursor(cursor) : ''
      return answers(key, async (before) => {
        const head = await looks('', look)
        return sign(head, await contentOf(head, cursor), before)
      })
    },
  }

  /** The keys are those of the same moment: a key that was removed is out with the next answer. */
  async function look(): Promise<Head> {
    const { head, found } = await log.look()
    const { history, keys: revision, at: now } = found
    await keyring.follow({ history, revision, now })
    return head
  }

  async function contentOf(head: Head, cursor: Cursor | undefined): Promise<Content> {
    if (!cursor) return pageOf(head, null)
    const after = writeCursor(cursor)
    if (cursor.history !== head.history) return pageOf(head, after)
    if (cursor.last !== undefined) return pageOf(head, after, cursor.snapshot, cursor.last)
    const denials = log.since(after) ?? (await findSince(head, cursor, after))
    if (!denials || denials.length > pageSize) return pageOf(head, after)
    const next = denials.length > 0 ? head.cursor : after
    return { history: head.history, after, next, full: false, more: false, denials }
  }

  /** Undefined where that is too much, or the cursor is of the future. */
  async function findSince({ history, end }: Head, { snapshot }: Cursor, after: string) {
    const found = await inTurn(() => denylist.listSince(snapshot, pageSize + 1))
    requireHistory(history, found)
    const { known, denials } = found
    if (!known || denials.length > pageSize) return undefined
    log.learn(after, end, denials)
    return denials
  }

  /** The list ends at the cursor from before it began: what came meanwhile follows from there. */
  async function pageOf(
    head: Head,
    after: string | null,
    snapshot = head.shown,
    id = firstId,
  ): Promise<Content> {
    const { history } = head
    const found = await inTurn(() => denylist.listAfter(id, snapshot, pageSize))
    requireHistory(history, found)
    const { known, denials } = found
    if (!known && snapshot !== head.shown) return pageOf(head, after)
    if (!known) throw new AppError('unavailable')
    const more = denials.length === pageSize
    const last = denials.at(-1)?.[0]
    const next = writeCursor({ history, snapshot, ...(more && last !== undefined && { last }) })
    return { history, after, next, full: true, more, denials }
  }

  /**
   * The server may change between two statements. The next look begins on the new one.
   * @throws AppError `unavailable`
   */
  function requireHistory(history: string, found: Listing): void {
    if (found.history !== history) throw new AppError('unavailable')
  }

  /** One query at a time for who is not served from memory. @throws AppError `overloaded` */
  async function inTurn(work: () => Promise<Listing>): Promise<Listing> {
    if (waiting >= maxWaiting) throw new AppError('overloaded')
    waiting += 1
    const running = turn.then(work)
    turn = running.catch(() => undefined)
    return running.finally(() => (waiting -= 1))
  }

  /** Where nothing has changed the last answer is sent again for a second: its bytes are the same. */
  function sign({ at }: Head, content: Content, before: Signed | undefined): Signed {
    const keys = keyring.jwks().keys.map((jwk) => (jwk as { kid: string }).kid)
    const claims = { ...content, keys, lifetime }
    const text = JSON.stringify(claims)
    if (before?.content === text && clock() < before.signedAt + rememberFor) return before
    const iat = Math.floor(at / 1_000)
    const exp = iat + revocationsLifetime
    const token = keyring.current().signRevocations({ ...claims, at, iat, exp })
    const etag = `"${createHash('sha256').update(token).digest('base64url')}"`
    return { token, etag, content: text, signedAt: clock() }
  }
}

export type RevocationService = ReturnType<typeof createRevocations>

const monotonic = () => performance.now()
