/** A value that cannot be read. The message follows the name of its column. */
export class ValueFault extends Error {}

const yes = ['true', 't', 'yes', 'y', '1', 'active', 'enabled', 'confirmed', 'verified']
const no = [
  'false',
  'f',
  'no',
  'n',
  '0',
  '',
  'inactive',
  'disabled',
  'pending',
  'unverified',
  'none',
]

/** Longer texts are no names, addresses or hashes. */
const maxText = 4_096

/** The text of a value; undefined if there is none. @throws ValueFault */
export function toText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  const text = asText(value)
  if (text === undefined) throw new ValueFault('is neither text nor a number')
  if (text.length > maxText) throw new ValueFault(`is longer than ${String(maxText)} characters`)
  if (text.includes('\u{fffd}') || !text.isWellFormed()) throw new ValueFault('is not UTF-8')
  if (text.includes('\0')) throw new ValueFault('contains a zero byte')
  return text.trim() === '' ? undefined : text
}

function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString()
  return undefined
}

/** @throws ValueFault */
export function toBoolean(value: unknown): boolean {
  const text = toText(value)?.trim().toLowerCase() ?? ''
  if (yes.includes(text)) return true
  if (no.includes(text)) return false
  throw new ValueFault('is neither true nor false')
}

const day = 86_400_000
const dateForm =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?)\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/

/**
 * A time as ISO 8601 text in UTC; undefined if there is none. A time without a zone is in UTC, as Flask apps store it. A
 * number counts the seconds or milliseconds since 1970.
 * @throws ValueFault
 */
export function toTime(value: unknown, now: number): string | undefined {
  const text = toText(value)?.trim()
  if (text === undefined) return undefined
  const time = /^\d{9,17}(\.\d+)?$/.test(text) ? fromNumber(Number(text)) : fromDate(text)
  if (Number.isNaN(time)) throw new ValueFault('is not a time such as 2026-01-31T12:00:00Z')
  if (time < 0 || time > now + day) throw new ValueFault('is before 1970 or in the future')
  return new Date(time).toISOString()
}

/** Seconds until 5138, then milliseconds, then microseconds. */
const fromNumber = (count: number) =>
  count < 1e11 ? count * 1_000 : count < 1e14 ? count : count / 1_000

function fromDate(text: string): number {
  const [, date = '', time = '00:00', zone = 'Z'] = dateForm.exec(text) ?? []
  const [, sign = '', hours = '', minutes = '00'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? []
  return Date.parse(`${date}T${time}${sign ? `${sign}${hours}:${minutes}` : 'Z'}`)
}

/** A time, or whether it is so: then `otherwise` is the time. Returns null for no. @throws ValueFault */
export function toMoment(value: unknown, now: number, otherwise: string): string | null {
  const text = toText(value)?.trim().toLowerCase() ?? ''
  if (yes.includes(text)) return otherwise
  if (no.includes(text)) return null
  return toTime(value, now) ?? null
}

const uuidForm = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/

/** A UUID in its usual form; undefined for any other id, such as a number. */
export function toUuid(value: unknown): string | undefined {
  const hex =
    value instanceof Uint8Array && value.length === 16
      ? Buffer.from(value).toString('hex')
      : asText(value)?.trim().toLowerCase()
  if (hex === undefined || !uuidForm.test(hex)) return undefined
  return hex.replaceAll('-', '').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
