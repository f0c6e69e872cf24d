import { Type, type TObject } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Position, SortKind } from '../db/keyset.js'
import { AppError } from '../errors.js'
import { varyByAccept, wantsCsv } from './accept.js'
import { sendCsv, toCsv } from './csv.js'
import { matching } from './patterns.js'
import { idPattern, idRule } from './replies.js'
import { readTime } from './times.js'

/** The names that a list can be sorted by, and how their values are compared. */
type SortKinds = Record<string, SortKind>

type SortOf<Kinds extends SortKinds> = `${'' | '-'}${keyof Kinds & string}`

/** `sort` in a query: one of a few names, with `-` before it for the opposite order. */
export const Sort = <Kinds extends SortKinds>(kinds: Kinds) =>
  Type.Unsafe<SortOf<Kinds>>(
    Type.String({
      enum: Object.keys(kinds).flatMap((name) => [name, `-${name}`]),
      description: 'with `-` the highest first; rows without a value count as the lowest',
    }),
  )

/** `cursor` in a query. Without `sort` it is an id. */
export const Cursor = Type.String({
  ...matching('^[A-Za-z0-9_-]{1,2000}$', idRule),
  description: '`next` of the previous page, with the same `sort`',
})

/** `total` in a query. */
export const Total = Type.Unsafe<'true' | 'false'>(
  Type.String({ enum: ['true', 'false'], description: '`true` also counts the rows of all pages' }),
)

/** A count has a limit, because PostgreSQL reads every row that it counts. */
const maxTotal = 10_000

/** The fields of a reply with `total=true`. */
export const totals = {
  total: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: maxTotal,
      description: 'how many there are on all pages, at most 10,000; only with `total=true`',
    }),
  ),
  total_is_more: Type.Optional(
    Type.Boolean({ description: 'there are more than `total`; only with `total=true`' }),
  ),
}

/** The part of a reply that `total` asks for. `count` gets the number at which it may stop. */
export async function countTotal(
  total: 'true' | 'false' | undefined,
  count: (limit: number) => Promise<number>,
): Promise<{ total?: number; total_is_more?: boolean }> {
  if (total !== 'true') return {}
  const found = await count(maxTotal + 1)
  return { total: Math.min(found, maxTotal), total_is_more: found > maxTotal }
}

type PageQuery<Kinds extends SortKinds> = {
  limit?: string | undefined
  cursor?: string | undefined
  sort?: SortOf<Kinds> | undefined
}

/** Where a page begins, how long it is, and the order of its list. Without `key` the newest id is first. */
export type PageRequest<Name> = {
  limit: number
  key: Name | undefined
  descending: boolean
  after: Position | undefined
}

/** @throws AppError `validation_failed` if the cursor is malformed or of another sort */
export function readPage<Kinds extends SortKinds>(
  kinds: Kinds,
  { limit = '50', cursor, sort }: PageQuery<Kinds>,
): PageRequest<keyof Kinds & string> {
  const key = sort?.replace(/^-/, '') as (keyof Kinds & string) | undefined
  const kind = key === undefined ? undefined : kinds[key]
  return {
    limit: Number(limit),
    key,
    descending: sort === undefined || sort.startsWith('-'),
    after: cursor === undefined ? undefined : readCursor(cursor, sort, kind),
  }
}

/** The cursor of the page that begins after a position. */
export function cursorOf(sort: string | undefined, end: Position | null): string | null {
  if (end === null || sort === undefined) return end?.id ?? null
  return Buffer.from(JSON.stringify([sort, end.key, end.id])).toString('base64url')
}

const isId = (value: unknown): value is string =>
  typeof value === 'string' && new RegExp(idPattern).test(value)

function readCursor(text: string, sort: string | undefined, kind: SortKind | undefined): Position {
  if (sort === undefined && isId(text)) return { key: null, id: text }
  const [sortedBy, key, id] = decode(text)
  if (sort === undefined || kind === undefined) {
    throw faultyCursor(sortedBy === undefined ? idRule : sameSort)
  }
  const isKey = key === null || (typeof key === 'string' && isValue[kind](key))
  if (sortedBy !== sort || !isKey || !isId(id)) throw faultyCursor(sameSort)
  return { key, id }
}

const sameSort = 'must be `next` of a page with the same sort'

const faultyCursor = (message: string) =>
  new AppError('validation_failed', { fields: [{ field: 'cursor', message }] })

/** A client may have made up the cursor: PostgreSQL would answer some values with an error. */
const isValue: Record<SortKind, (key: string) => boolean> = {
  text: (key) => key.isWellFormed() && !key.includes('\0'),
  time: (key) => readTime(key) === key,
}

function decode(text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

/** CSV is described in words: as a reply of its own, it would be in the type of every generated client. */
export const describeList = (summary: string) =>
  `${summary}. A client that prefers \`text/csv\` gets CSV: the cell of a formula begins with an apostrophe, ` +
  'and `total` is in `X-Total-Count`. `Link` has the next page of both forms.'

type List = {
  /** The field of the reply with the rows, and the name of the CSV file. */
  name: string
  /** The schema of a row. Its fields are the columns of the CSV file, in the same order. */
  schema: TObject
  publicUrl: string
}

type Rows = { next: string | null; total?: number }

/**
 * Sends a page as CSV, or returns undefined if the client gets JSON. In both cases `Link` leads to the next
 * page (RFC 8288).
 */
export function sendAsCsv(
  request: FastifyRequest,
  reply: FastifyReply,
  { name, schema, publicUrl }: List,
  { next, total, rows }: Rows & { rows: object[] },
): FastifyReply | undefined {
  varyByAccept(reply)
  if (next !== null) {
    const query = new URLSearchParams({
      ...(request.query as Record<string, string>),
      cursor: next,
    })
    const path = request.routeOptions.url ?? ''
    reply.header('link', `<${publicUrl}${path}?${query.toString()}>; rel="next"`)
  }
  if (!wantsCsv(request)) return undefined
  if (total !== undefined) reply.header('x-total-count', total)
  return sendCsv(reply, `${name}.csv`, toCsv(Object.keys(schema.properties), rows))
}
