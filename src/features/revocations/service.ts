import { revocationsLifetime, type RevocationClaims } from '@gatehouse/verify/protocol'
import { createHash } from 'node:crypto'
import type { Clock } from '../../concurrency/clock.js'
import type { DenylistRepository, DenialList } from '../denylist/repository.js'
import { AppError } from '../../errors.js'
import type { Keyring } from '../tokens/keyring.js'
import { readCursor, writeCursor, type Cursor } from './cursor.js'
import { createRevocationLog, type Head } from './log.js'
import { createShared } from '../../concurrency/shared.js'

type Dependencies = {
  denylist: Pick<DenylistRepository, 'listSince' | 'listAfter' | 'beginHistory'>
  keyring: Pick<Keyring, 'current' | 'follow' | 'jwks'>
  /** How long an access token lives, in seconds. */
  accessTtl: number
  clock: Pick<Clock, 'monotonic'>
}

/** A signed answer, as a compact JWS. */
export type Revocations = { token: string; etag: string }

type Content = Omit<RevocationClaims, 'iss' | 'aud' | 'iat' | 'exp' | 'at' | 'keys' | 'lifetime'>
type Signed = Revocations & { content: string; signedAt: number }

/** The most denials in one answer. A full answer has about 400 KB. */
export const pageSize = 5_000
// In milliseconds: how long an answer serves further requests, and how long its bytes may be reused.
const keepFor = 100
const rememberFor = 1_000
const maxWaiting = 32
const firstId = '00000000-0000-0000-0000-000000000000'

/**
 * Answers with the revocations, for services that verify tokens themselves: all of them, or those since
 * a cursor. A cursor names a snapshot of the database, so every instance can answer it, and the order of
 * commits does not matter. A cursor of another history, as after a failover, gets the full list. However
 * many clients poll, the database is polled at most ten times a second.
 */
export function createRevocations(dependencies: Dependencies) {
  const { denylist, keyring, accessTtl, clock } = dependencies
  const log = createRevocationLog({ denylist, max: pageSize })
  const sharedPoll = createShared<Head>({ keepFor, rememberFor: keepFor, clock })
  const sharedAnswer = createShared<Signed>({ keepFor, rememberFor, clock })
  let queue: Promise<unknown> = Promise.resolve()
  let waiting = 0

  return {
    /**
     * Answers the revocations since a cursor. Without a cursor that it can answer, it answers the full list.
     * @throws AppError `unavailable`, `overloaded`; `not_found` if tokens are signed with a secret (HS256)
     */
    async read(text: string | undefined): Promise<Revocations> {
      if (!keyring.current().jwk) throw new AppError('not_found')
      const cursor = text === undefined ? undefined : readCursor(text)
      const key = cursor ? writeCursor(cursor) : ''
      return sharedAnswer(key, async (before) => {
        const head = await sharedPoll('', poll)
        return sign(head, await contentOf(head, cursor), before)
      })
    },
  }

  /** Reads new denials, and the signing keys if they changed, so that one answer shows both. */
  async function poll(): Promise<Head> {
    const { head, found } = await log.poll()
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

  /** Returns undefined if there are too many denials, or the cursor is ahead of the database. */
  async function findSince({ history, end }: Head, { snapshot }: Cursor, after: string) {
    const found = await inQueue(() => denylist.listSince(snapshot, pageSize + 1))
    requireHistory(history, found)
    const { known, denials } = found
    if (!known || denials.length > pageSize) return undefined
    log.addForeign(after, end, denials)
    return denials
  }

  /**
   * Returns a page of the full list. All pages name the snapshot from before the first page: after the
   * last page the reader continues there, with the denials made meanwhile.
   */
  async function pageOf(
    head: Head,
    after: string | null,
    snapshot = head.cursorSnapshot,
    id = firstId,
  ): Promise<Content> {
    const { history } = head
    const found = await inQueue(() => denylist.listAfter(id, snapshot, pageSize))
    requireHistory(history, found)
    const { known, denials } = found
    if (!known && snapshot !== head.cursorSnapshot) return pageOf(head, after)
    if (!known) throw new AppError('unavailable')
    const more = denials.length === pageSize
    const last = denials.at(-1)?.[0]
    const next = writeCursor({ history, snapshot, ...(more && last !== undefined && { last }) })
    return { history, after, next, full: true, more, denials }
  }

  /** The database may fail over between two statements. @throws AppError `unavailable` if it did */
  function requireHistory(history: string, found: DenialList): void {
    if (found.history !== history) throw new AppError('unavailable')
  }

  /** Runs the queries that memory cannot answer one at a time. @throws AppError `overloaded` */
  async function inQueue(work: () => Promise<DenialList>): Promise<DenialList> {
    if (waiting >= maxWaiting) throw new AppError('overloaded')
    waiting += 1
    const running = queue.then(work)
    queue = running.catch(() => undefined)
    return running.finally(() => (waiting -= 1))
  }

  /** Signs the content, or for a second returns the last answer again if the content is the same. */
  function sign({ at }: Head, content: Content, before: Signed | undefined): Signed {
    const keys = keyring.jwks().keys.map((jwk) => (jwk as { kid: string }).kid)
    const claims = { ...content, keys, lifetime: accessTtl }
    const text = JSON.stringify(claims)
    if (before?.content === text && clock.monotonic() < before.signedAt + rememberFor) return before
    const iat = Math.floor(at / 1_000)
    const exp = iat + revocationsLifetime
    const token = keyring.current().signRevocations({ ...claims, at, iat, exp })
    const etag = `"${createHash('sha256').update(token).digest('base64url')}"`
    return { token, etag, content: text, signedAt: clock.monotonic() }
  }
}

export type RevocationService = ReturnType<typeof createRevocations>
