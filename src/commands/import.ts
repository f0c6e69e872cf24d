import { Command, Option } from 'commander'
import { importFields } from '../features/imports/mapping.js'
import type { SealedKeys } from '../features/exports/keys.js'
import type { SourceRow } from '../features/imports/row.js'
import { findSignerKey } from '../features/passwords/foreign/digests.js'
import { fromBase64 } from '../features/passwords/foreign/reading.js'
import { systemClock } from '../concurrency/clock.js'
import { operator } from '../http/caller.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { openExportedKeys } from './import-export-file.js'
import { makePlan, showPlan } from './import-plan.js'
import { openPictures } from './import-pictures.js'
import { printReport, createProgress, openRefusals } from './import-report.js'
import { collect, type Print } from './output.js'
import { openSource } from './sources/open.js'
import { peek, type Selection } from './sources/source.js'

type Tools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}

type Options = Selection & {
  map: string[]
  hashFormat?: string
  saltKeyFile?: string
  rejects: string
  pictures?: string
  allowAdmin?: boolean
  dryRun?: boolean
  passphraseFile?: string
}

/** Users are missing, though the import ran to its end. A script can tell it from an import that failed. */
const exitCodeOfRefused = 2

/** A table that has a key of its own in each row is no export of a project. */
const maxSignerKeys = 16

/** How many rows are read before the mapping is shown. */
const sampleSize = 200

/** `gatehouse import …` */
export function importCommand({ withServices, print }: Tools): Command {
  const command = new Command('import')
    .description(
      'import users from a CSV, NDJSON or SQLite file, or a postgres:// or mysql:// database; ' +
        'a user who exists is never changed, and a second run continues the first',
    )
    .argument('<source>')
    .option('--table <table>', 'the table with the users; by default the one with a usual name')
    .option('--query <sql>', 'a SELECT instead of a table, for a database or an SQLite file')
    .option(
      '--map <field=column>',
      'the column of a field; repeat the option. Fields: ' + importFields.join(', '),
      collect,
      [],
    )
    .option(
      '--hash-format <format>',
      'how passwords are hashed, if their text does not tell: django, firebase, plain, or such as ' +
        '"md5(password+salt)" or "md5(password+key)"',
    )
    .option(
      '--salt-key-file <file>',
      'the key of the app that takes part in its hashes, or the hash parameters of Firebase as JSON',
    )
    .option('--pictures <folder>', 'the folder with the files that the column of picture names')
    .option('--passphrase-file <file>', 'opens the keys in an export of Gatehouse')
    .option('--allow-admin', 'grant the role admin to the rows that ask for it')
    .option('--dry-run', 'read and check every row, and store nothing')
    .addOption(
      new Option('--rejects <file>', 'where to write the rows that are refused, as CSV').default(
        'import-rejects.csv',
      ),
    )
    .action((source: string, options: Options) =>
      withServices((services) => importUsers(source, options, services, print)),
    )
  return addExamples(
    command,
    'gatehouse import instance/app.db --dry-run',
    'gatehouse import users.csv --map mobile=phone --map email_verified=confirmed_at',
    'gatehouse import mysql://flask@db.example.org/shop --hash-format "md5(password+key)" --salt-key-file salt-key',
  )
}

async function importUsers(
  given: string,
  options: Options,
  { imports, store, newId, uploads }: Services,
  print: Print,
): Promise<void> {
  const source = await openSource(given, options)
  try {
    const { sample, rows } = await peek(source.rows, sampleSize)
    const plan = await makePlan(source, sample, options)
    showPlan(source, plan, print)
    const { mapping, format, head } = plan
    if (head && !options.dryRun) await imports.createRoles(head.roles)
    const key = format.key && (await storeKey(format.key))
    const keys = [...(head?.keys ? await storeExportedKeys(head.keys) : []), ...(key ? [key] : [])]
    const roles = (await store.roles.list()).map(({ name }) => name)
    const readPicture =
      options.pictures === undefined ? undefined : await openPictures(options.pictures, uploads)
    const known = new Set([...keys, ...(await store.importKeys.list()).map(({ id }) => id)])
    const signerKeys = new Map<string, string>()
    const column = mapping.password_hash
    const read =
      column === undefined
        ? rows
        : withSignerKeys(rows, column, signerKeys, (signer) => addKey(signer, known))
    const refusals = await openRefusals(options.rejects)
    const progress = createProgress(source.progress)
    try {
      const totals = await imports.run(head ? withoutFirst(rows) : read, {
        mapping,
        plain: format.plain,
        hints: { ...format.hints, signerKeys, ...(key !== undefined && { key }) },
        isOwn: head !== undefined,
        keys: known,
        allowAdmin: options.allowAdmin === true,
        roles: new Set([...roles, ...(head?.roles ?? [])]),
        now: systemClock.now(),
        caller: operator,
        dryRun: options.dryRun === true,
        onRefused: refusals.add,
        onBatch: progress.update,
        readPicture,
      })
      progress.stop()
      await refusals.close()
      printReport(totals, { ...options, rejects: refusals.file() }, print)
      if (totals.refused > 0) process.exitCode = exitCodeOfRefused
    } finally {
      progress.stop()
      await refusals.close()
    }
  } finally {
    await source.close()
  }

  /** A second run uses the key of the first. */
  async function storeKey(key: Buffer): Promise<string> {
    const known = (await store.importKeys.list()).find((each) => each.key.equals(key))
    const id = known?.id ?? newId()
    if (!known && !options.dryRun) await store.transaction((tx) => tx.importKeys.add(id, key))
    return id
  }

  async function addKey(key: Buffer, known: Set<string>): Promise<string> {
    const id = await storeKey(key)
    known.add(id)
    return id
  }

  async function storeExportedKeys(sealed: SealedKeys): Promise<string[]> {
    const known = new Set((await store.importKeys.list()).map(({ id }) => id))
    const keys = await openExportedKeys(sealed, options.passphraseFile)
    for (const { id, key } of keys) {
      if (!known.has(id) && !options.dryRun) {
        await store.transaction((tx) => tx.importKeys.add(id, key))
      }
    }
    return keys.map(({ id }) => id)
  }
}

/** Stores each signer key of a hash `$fbscrypt$` before its row is read. A project of Firebase has one. */
async function* withSignerKeys(
  rows: AsyncIterable<SourceRow>,
  column: string,
  known: Map<string, string>,
  storeKey: (key: Buffer) => Promise<string>,
): AsyncGenerator<SourceRow> {
  for await (const row of rows) {
    const hash = row.values?.[column]
    const text = typeof hash === 'string' ? findSignerKey(hash) : undefined
    const key = text === undefined ? undefined : fromBase64(text)
    if (text !== undefined && key?.length && !known.has(text) && known.size < maxSignerKeys) {
      known.set(text, await storeKey(key))
    }
    yield row
  }
}

async function* withoutFirst(rows: AsyncIterable<SourceRow>): AsyncGenerator<SourceRow> {
  let isFirst = true
  for await (const row of rows) {
    if (!isFirst) yield row
    isFirst = false
  }
}
