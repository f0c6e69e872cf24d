import type { TSchema } from '@sinclair/typebox'
import { Environment } from './variables.js'

type Env = Record<string, string | undefined>

const schemas = Environment.properties as Record<string, TSchema>
const files = Object.keys(schemas).flatMap((name) => (schemas[name]?.secret ? `${name}_FILE` : []))
const known = [...Object.keys(schemas), ...files]

// Beginnings that other programs hardly use. GITHUB_ alone is not in the list: CI systems set GITHUB_TOKEN.
const prefixes =
  /^(GATEHOUSE|ACCESS_TOKEN|REFRESH_TOKEN|REFRESH_GRACE|RATE_LIMIT|SESSIONS_PER|SESSION_IDLE|DENYLIST|DATABASE|JWT|KEYS|KEY_ROTATION|ARGON2|HASH|TRUST_PROXY|CORS|MAIL|SMS|OIDC|GOOGLE_CLIENT|GITHUB_CLIENT|AUDIT|METRICS|SHUTDOWN)_/

// Kubernetes and Docker describe a service named "gatehouse" with GATEHOUSE_SERVICE_HOST, GATEHOUSE_PORT and more.
const ofOrchestrators = /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)(_|$)/

// The docs use these for scripts and for Astro sites.
const ofOthers = /^GATEHOUSE_(KEY|URL|ISSUER|AUDIENCE|SITE_KEY|SITE_PROXIES)$/

/** A sentence about each variable that is unknown and looks like a known one. It does not show the value. */
export function unknownVariables(env: Env): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (known.includes(name) || ofOthers.test(name)) return []
    if (ofOrchestrators.test(name) || value?.startsWith('tcp://')) return []
    const stem = name.replace(/^GATEHOUSE_/, '')
    if (name.endsWith('_FILE') && name.slice(0, -5) in schemas) {
      return [`${name} is ignored: only secrets can be in a file; set ${name.slice(0, -5)}`]
    }
    const meant = known.includes(stem) ? stem : nearest(stem)
    if (meant === undefined && !prefixes.test(name)) return []
    const hint = meant
      ? `did you mean ${meant}?`
      : 'docs/reference/configuration.md lists every one'
    return [`${name} is not a variable of Gatehouse and is ignored: ${hint}`]
  })
}

/** The variable that differs by the fewest typing errors: one in a short name, two in a longer one. */
function nearest(name: string): string | undefined {
  if (!/^[A-Z][A-Z0-9_]*$/i.test(name)) return undefined
  const text = name.toUpperCase()
  const [best] = known
    .filter((each) => Math.abs(each.length - text.length) <= 2) // each character more is an error
    .map((each) => ({ each, errors: distance(text, each) }))
    .filter(({ each, errors }) => errors <= (each.length < 6 ? 1 : 2))
    .sort((one, other) => one.errors - other.errors)
  return best?.each
}

/**
 * Characters to insert, delete, replace or swap (Damerau and Levenshtein, optimal string alignment).
 * @returns Infinity soon if there are more than two
 */
function distance(one: string, other: string): number {
  let before: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let row = 1; row <= one.length; row += 1) {
    const next = [row]
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1]
      const isSwap = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      next[column] = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
        isSwap && row > 1 ? (before[column - 2] ?? 0) + 1 : Infinity,
      )
    }
    // Both rows, because a swap continues the row before.
    if (Math.min(...last, ...next) > 2) return Infinity
    before = last
    last = next
  }
  return last[other.length] ?? 0
}
