import type { TSchema } from '@sinclair/typebox'
import { Environment } from './variables.js'

type Env = Record<string, string | undefined>

type Details = Partial<TSchema>

const schemas = Environment.properties as unknown as Record<string, Details>

/** What a value must be, as a sentence that begins with the variable. */
export function describeFault(name: string, value: unknown): string {
  const { values, type, minimum, maximum, form, minLength, maxLength, create } = schemas[name] ?? {}
  if (Array.isArray(values)) return `${name} must be one of ${values.join(', ')}`
  if (type === 'integer')
    return `${name} must be a whole number from ${String(minimum)} to ${String(maximum)}`
  const wanted = form
    ? `must be ${String(form)}`
    : `must have ${String(minLength)} to ${String(maxLength)} characters`
  const length = typeof value === 'string' ? value.length : 0
  const isWrongLength = length < Number(minLength ?? 0) || length > Number(maxLength ?? Infinity)
  const found = isWrongLength ? `: it has ${String(length)}` : ''
  return `${name} ${wanted}${found}${create ? `; create one with \`${String(create)}\`` : ''}`
}

/** Adds the value to a fault such as `PORT must be …`, unless it is a secret or may hold one. */
export function addValue(fault: string, env: Env): string {
  const [, name = '', not = ''] = /^([A-Z][A-Z0-9_]*) must (not )?/.exec(fault) ?? []
  const value = env[name]
  if (!value || fault.includes(': it has') || mayBeSecret(name, value, env)) return fault
  const shown = JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  return `${fault}${not ? ': it is' : ', not'} ${shown}${suggestionOf(name, value)}`
}

/** A secret may also be in the variable of another value, or part of a URL. */
function mayBeSecret(name: string, value: string, env: Env): boolean {
  const isSecretElsewhere = Object.entries(schemas).some(
    ([other, { secret }]) => secret && env[other] && value.includes(env[other]),
  )
  const isRandom = /(?=[A-Za-z0-9+_=-]*[0-9])(?=[A-Za-z0-9+_=-]*[A-Za-z])[A-Za-z0-9+_=-]{20,}/
  return (
    !!schemas[name]?.secret || isSecretElsewhere || /[/:].*@/.test(value) || isRandom.test(value)
  )
}

/** The origin of a URL that has a path, where only an origin is allowed. */
function suggestionOf(name: string, value: string): string {
  const isOrigin = name === 'PUBLIC_URL' || name === 'GITHUB_URL'
  const url = isOrigin && URL.canParse(value) ? new URL(value) : undefined
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  return url && isHttp && url.origin !== value ? `: write ${url.origin}` : ''
}
