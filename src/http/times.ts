import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.js'
import { matching } from './patterns.js'

const rule = 'must be a date or a time such as 2026-01-31 or 2026-01-31T12:00:00Z'

/** A date or a time in a query (RFC 3339). A date is its midnight in UTC. */
export const Time = (description: string) =>
  Type.String({
    ...matching(
      '^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))?$',
      rule,
    ),
    description,
  })

/**
 * Reads the fields that are times, in a form that PostgreSQL reads.
 * @throws AppError `validation_failed` with each field that names no time, such as 30 February
 */
export function readTimes<Name extends string>(
  query: { [Field in Name]?: string },
  names: readonly Name[],
): { [Field in Name]?: string } {
  const given = names.flatMap((name) => {
    const text = query[name]
    return text === undefined ? [] : [{ name, time: readTime(text) }]
  })
  const faulty = given.filter(({ time }) => time === undefined)
  if (faulty.length > 0) {
    const fields = faulty.map(({ name }) => ({ field: name, message: rule }))
    throw new AppError('validation_failed', { fields })
  }
  return Object.fromEntries(given.map(({ name, time }) => [name, time])) as {
    [Field in Name]?: string
  }
}

const form =
  /^(\d{4}-\d\d-\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d)))?$/i

/** Reads a time as UTC with microseconds. Returns undefined if there is no such time. */
export function readTime(text: string): string | undefined {
  const [, date = '', ...parts] = form.exec(text) ?? []
  const midnight = new Date(date)
  if (Number.isNaN(midnight.getTime()) || !midnight.toISOString().startsWith(date)) return undefined
  const [hour, minute, second, fraction = '', sign, offsetHour, offsetMinute] = parts
  const [hours, minutes, seconds, eastHours, eastMinutes] = [
    ...[hour, minute, second, offsetHour, offsetMinute].map((part) => Number(part ?? 0)),
  ] as [number, number, number, number, number]
  // A leap second has the number 60.
  if (Math.max(hours, eastHours) > 23 || Math.max(minutes, eastMinutes) > 59 || seconds > 60) {
    return undefined
  }
  const offset = (eastHours * 60 + eastMinutes) * (sign === '-' ? -1 : 1)
  // The rows have microseconds. Rounded up, "from" and "before" are true to the nanosecond.
  const micros = Math.ceil(Number(fraction.padEnd(9, '0')) / 1_000)
  const carry = micros === 1_000_000 ? 1 : 0
  const instant = midnight.getTime() + (hours * 3_600 + (minutes - offset) * 60 + seconds) * 1_000
  const whole = new Date(instant + carry * 1_000).toISOString()
  // PostgreSQL has no year 0, and writes the year 10000 in another form.
  if (!/^(?!0000)\d{4}-/.test(whole)) return undefined
  return whole.replace(/\d{3}Z$/, `${String(carry ? 0 : micros).padStart(6, '0')}Z`)
}

/** For people. Pages and messages do not know the time zone of their reader. */
export const toMinute = (time: string) => `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`
