import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { Caller } from '../../http/caller.js'
import type { AuditRepository } from '../audit/repository.js'
import type { IdentifierKind } from '../identifiers/identifiers.js'
import type { PasswordHasher } from '../passwords/hash.js'
import { schemeOf, toStored } from './passwords.js'
import { readPictures, storePictures, type PictureStore, type ReadPicture } from './pictures.js'
import type { Holder, ImportRepository, NewImportedUser } from './repository.js'
import {
  readRow,
  type ImportedUser,
  type RowRules,
  type SkippedRow,
  type SourceRow,
} from './row.js'
import { inOrder, type Refusal } from './refusals.js'
import { createSeen } from './seen.js'
import { compareWith } from './standing.js'

type Repositories = PictureStore & {
  audit: Pick<AuditRepository, 'add'>
  imports: ImportRepository
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  passwords: Pick<PasswordHasher, 'hash' | 'schemeOf' | 'wrap'>
  /** How many passwords are hashed at the same time. */
  lanes: number
}

/** What an import has done so far. */
export type ImportTotals = {
  rows: number
  imported: number
  /** Rows whose user is there already, from an earlier run. */
  present: number
  refused: number
  withoutPassword: number
  /** Users whose picture could not be read. */
  withoutPicture: number
  /** How many imported hashes there are of each scheme. */
  schemes: Map<string, number>
  /** The rows of this run, to tell a row that is there twice from one of an earlier run. */
  seen: ReturnType<typeof createSeen>
}

type Options = RowRules & {
  caller: Caller
  /** Reads and checks every row, but stores nothing. */
  dryRun: boolean
  /** Called for each row that is not imported. */
  onRefused: (refusal: Refusal) => void
  onBatch: (totals: ImportTotals) => void
  /** Without it no pictures are imported. */
  readPicture?: ReadPicture | undefined
}

const batchSize = 500

/**
 * Imports users of another system. Each batch is one transaction, so that an import that was ended continues where it
 * was: rows whose users exist are skipped. An existing user is never changed.
 */
export function createImportService({ store, passwords, lanes }: Dependencies) {
  return {
    async run(
      rows: AsyncIterable<SourceRow> | Iterable<SourceRow>,
      given: Options,
    ): Promise<ImportTotals> {
      const totals: ImportTotals = {
        rows: 0,
        imported: 0,
        present: 0,
        refused: 0,
        withoutPassword: 0,
        withoutPicture: 0,
        schemes: new Map(),
        seen: createSeen(),
      }
      let batch: ImportedUser[] = []
      const refusals = inOrder(given.onRefused)
      const options = { ...given, onRefused: refusals.add }
      let analyzeAt = batchSize
      const analyze = async () => {
        if (totals.imported < analyzeAt || options.dryRun) return
        analyzeAt = 2 * totals.imported
        // Optional: on a large table ANALYZE may exceed the statement timeout.
        await store.imports.analyze().catch(() => undefined)
      }
      for await (const row of rows) {
        totals.rows += 1
        const user = read(row, options, totals)
        if (user) batch.push(user)
        // Refused rows count too, so that a batch of the report has a bound.
        if (totals.rows % batchSize !== 0) continue
        await importBatch(batch, options, totals)
        refusals.flush()
        await analyze()
        batch = []
      }
      await importBatch(batch, options, totals)
      refusals.flush()
      analyzeAt = batchSize
      await analyze()
      return totals
    },

    createRoles: (names: string[]) => store.imports.createRoles(names),
  }

  function read(row: SourceRow, options: Options, totals: ImportTotals) {
    const user = row.values ? readRow(row, options) : { faults: [faultOf(row)], identifier: '' }
    if (!('faults' in user)) return user
    totals.refused += 1
    const { faults, identifier } = user
    options.onRefused({ place: row.place, identifier, reason: faults.join(' ') })
    return undefined
  }

  async function importBatch(users: ImportedUser[], options: Options, totals: ImportTotals) {
    const open = await withoutPresent(users, options, totals)
    const created = options.dryRun ? open : await insert(open, options, totals)
    for (const { id, password } of created) {
      totals.seen.add(id)
      const scheme = schemeOf(password, passwords)
      if (scheme === undefined) totals.withoutPassword += 1
      else totals.schemes.set(scheme, (totals.schemes.get(scheme) ?? 0) + 1)
    }
    totals.imported += created.length
    // Another row of this batch, or a registration at the same time, was first.
    const ids = new Set(created.map(({ place }) => place))
    const rest = open.filter(({ place }) => !ids.has(place))
    for (const user of await withoutPresent(rest, options, totals)) {
      refuse(user, 'The user could not be stored. Run the import again.', options, totals)
    }
    options.onBatch(totals)
  }

  /** Counts the users who exist, and refuses those whose identifiers another user has. */
  async function withoutPresent(users: ImportedUser[], options: Options, totals: ImportTotals) {
    if (users.length === 0) return []
    const standingOf = compareWith(await findHolders(users))
    return users.filter((user) => {
      const standing = standingOf(user)
      if (standing === 'new') return true
      if (standing !== 'present') refuse(user, standing.refusal, options, totals)
      else if (totals.seen.has(user.id))
        refuse(user, 'An earlier row is the same user.', options, totals)
      else totals.present += 1
      if (standing === 'present') totals.seen.add(user.id)
      return false
    })
  }

  /** The users who exist with an id or an identifier of the imported ones. */
  function findHolders(users: ImportedUser[]): Promise<Holder[]> {
    const canonicalOf = (wanted: IdentifierKind) =>
      users.flatMap(({ identifiers }) =>
        identifiers.filter(({ kind }) => kind === wanted).map(({ canonical }) => canonical),
      )
    return store.imports.findHolders(
      users.map(({ id }) => id),
      {
        username: canonicalOf('username'),
        email: canonicalOf('email'),
        mobile: canonicalOf('mobile'),
      },
    )
  }

  function refuse(user: ImportedUser, reason: string, options: Options, totals: ImportTotals) {
    totals.refused += 1
    report(user, reason, options)
  }

  function report({ identifiers, place }: ImportedUser, reason: string, options: Options) {
    options.onRefused({ place, identifier: identifiers[0]?.text ?? '', reason })
  }

  /** Hashes what must not be stored as it is, then inserts all. Returns the users that were inserted. */
  async function insert(
    users: ImportedUser[],
    options: Options,
    totals: ImportTotals,
  ): Promise<ImportedUser[]> {
    const { caller, readPicture } = options
    const pictures = await readPictures(users, readPicture, (user) => {
      totals.withoutPicture += 1
      const reason = 'The user was imported without the picture, which cannot be read.'
      report(user, reason, options)
    })
    const hashes = new Map<ImportedUser, string | null>()
    const queue = users.values()
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (const user of queue) hashes.set(user, await toStored(user.password, passwords))
      }),
    )
    const rows = users.map((user) => {
      const hash = hashes.get(user) ?? null
      return toRow(user, hash, hash && passwords.schemeOf(hash))
    })
    const ids = new Set(
      await store.transaction(async (tx) => {
        const created = await tx.imports.insert(rows)
        await storePictures(tx, created, pictures)
        const detail = { imported: true }
        if (created.length > 0) {
          await tx.audit.add(
            ...created.map((user_id) => ({
              event: 'user.created' as const,
              caller,
              user_id,
              detail,
            })),
          )
        }
        return created
      }),
    )
    // Of two rows with one id the first was inserted.
    return users.filter(({ id }) => ids.delete(id))
  }
}

export type ImportService = ReturnType<typeof createImportService>

const faultOf = (row: SkippedRow | { fault?: undefined }) => row.fault ?? 'The row cannot be read.'

function toRow(
  user: ImportedUser,
  password_hash: string | null,
  password_scheme: string | null,
): NewImportedUser {
  const texts = user.identifiers.flatMap(({ kind, text, canonical }) => [
    [kind, text],
    [`${kind}_canonical`, canonical],
  ])
  // jsonb_to_recordset ignores fields that are not columns.
  return { ...user, ...(Object.fromEntries(texts) as object), password_hash, password_scheme }
}
