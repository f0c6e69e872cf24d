import { createWriteStream, type WriteStream } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { SingleBar } from 'cli-progress'
import type { Refusal } from '../features/imports/refusals.js'
import type { ImportTotals } from '../features/imports/service.js'
import { OperatorError } from '../errors.js'
import { toCsv } from '../http/csv.js'
import type { Print } from './output.js'

const head = 'row,identifier,reason\r\n'

/**
 * The file with the rows that are refused. It is created by the first one, readable by its owner alone. That of an
 * earlier run is deleted: its rows may be imported by now.
 * @throws OperatorError if the file is something else
 */
export async function openRefusals(path: string) {
  await removeOld(path)
  let stream: WriteStream | undefined

  function start(): WriteStream {
    const created = createWriteStream(path, { mode: 0o600 })
    created.on('error', () => undefined) // close() throws it
    created.write(head)
    return created
  }

  return {
    add(refusal: Refusal): void {
      stream ??= start()
      const columns = ['place', 'identifier', 'reason']
      stream.write(toCsv(columns, [refusal]).replace(/^.*\r\n/, ''))
    },
    file: () => (stream ? path : undefined),
    async close(): Promise<void> {
      if (!stream || stream.writableFinished) return
      stream.end()
      await finished(stream)
    },
  }
}

async function removeOld(path: string): Promise<void> {
  const file = await open(path).catch(() => undefined) // createWriteStream() names what is wrong with the path
  if (!file) return
  const start = await readStart(file).finally(() => file.close())
  if (start === undefined) return
  if (start !== '' && start !== head)
    throw new OperatorError(
      `${path} is not the report of an import: name another file with --rejects`,
    )
  await rm(path)
}

/** Undefined for a device such as /dev/stderr. */
async function readStart(file: FileHandle): Promise<string | undefined> {
  if (!(await file.stat()).isFile()) return undefined
  const bytes = Buffer.alloc(head.length)
  const { bytesRead } = await file.read(bytes, 0, head.length, 0)
  return bytes.toString('utf8', 0, bytesRead)
}

const lineInterval = 5_000

/** A bar with rate and time left on a terminal, elsewhere a line every few seconds. Both go to stderr. */
export function createProgress(
  progressOf: () => { done: number; total: number } | undefined,
  { now = () => performance.now(), stderr = process.stderr } = {},
) {
  const start = now()
  let last = start
  const bar = stderr.isTTY
    ? new SingleBar({
        format: 'importing [{bar}] {percentage} %, {rows} rows, {rate} rows/s, {left} left',
        hideCursor: true,
        stream: stderr,
      })
    : undefined
  bar?.start(100, 0, { rows: 0, rate: 0, left: '?' })

  return {
    update({ rows }: ImportTotals): void {
      const { done, total } = progressOf() ?? { done: 0, total: 0 }
      const share = total > 0 ? Math.min(1, done / total) : 0
      const seconds = (now() - start) / 1_000
      const rate = Math.round(rows / Math.max(seconds, 0.001))
      const left = share > 0 ? toDuration((seconds / share) * (1 - share)) : '?'
      if (bar) bar.update(Math.floor(share * 100), { rows, rate, left })
      else if (now() - last >= lineInterval) {
        last = now()
        const percent = String(Math.floor(share * 100))
        stderr.write(`${percent} %, ${String(rows)} rows, ${String(rate)} rows/s, ${left} left\n`)
      }
    },
    stop: () => bar?.stop(),
  }
}

function toDuration(seconds: number): string {
  const whole = Math.round(seconds)
  const minutes = Math.floor(whole / 60)
  return minutes > 0 ? `${String(minutes)} min ${String(whole % 60)} s` : `${String(whole)} s`
}

export function printReport(
  totals: ImportTotals,
  { dryRun, rejects }: { dryRun?: boolean; rejects: string | undefined },
  print: Print,
): void {
  const { rows, imported, present, refused, withoutPassword, withoutPicture, schemes } = totals
  const line = (count: number, text: string) => print(`${String(count).padStart(9)} ${text}`)
  line(rows, rows === 1 ? 'row read' : 'rows read')
  line(imported, `${imported === 1 ? 'user' : 'users'} ${dryRun ? 'would be ' : ''}imported`)
  if (present > 0)
    line(present, present === 1 ? 'user already exists, skipped' : 'users already exist, skipped')
  if (refused > 0)
    line(refused, `${refused === 1 ? 'row' : 'rows'} refused: see ${rejects ?? 'the report'}`)
  if (withoutPassword > 0)
    line(withoutPassword, 'without a password: set one with "Forgot password"')
  if (withoutPicture > 0)
    line(
      withoutPicture,
      `${withoutPicture === 1 ? 'picture' : 'pictures'} cannot be read: see ${rejects ?? 'the report'}`,
    )
  for (const [scheme, count] of [...schemes].sort(([, a], [, b]) => b - a)) {
    line(count, `${count === 1 ? 'hash' : 'hashes'} ${nameOfScheme(scheme)}`)
  }
  if (dryRun) print('Nothing was stored. Duplicate rows are refused only in the real import.')
}

/** A scheme for people: `argon2id(md5 f=password+salt)`. */
export function nameOfScheme(scheme: string): string {
  const isWrapped = scheme.startsWith('wrapped$')
  const text = scheme.replace('wrapped$', '').replaceAll('$', ' ').replaceAll(',', ' ')
  return isWrapped ? `argon2id(${text})` : text
}
