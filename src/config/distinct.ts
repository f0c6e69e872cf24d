import { refreshAudienceOf, revocationsAudienceOf } from '@gatehouse/verify/protocol'

type Values = Record<string, unknown>

const asText = (value: unknown) => (typeof value === 'string' ? value : undefined)

/** Other services know these; with KEYS_SECRET they could make refresh tokens. */
const known = ['JWT_SECRET', 'SMS_WEBHOOK_SECRET', 'METRICS_TOKEN']

/** Faults of values that have to differ from each other. */
export function notDistinct(values: Values): string[] {
  const same = known.filter(
    (name) => values[name] !== undefined && values[name] === values.KEYS_SECRET,
  )
  return [
    ...same.map((name) => `KEYS_SECRET must not be the same as ${name}`),
    ...(isReserved(values) ? ['JWT_AUDIENCE is reserved for tokens of another kind'] : []),
  ]
}

function isReserved({ JWT_AUDIENCE, JWT_ISSUER, PUBLIC_URL, PORT }: Values): boolean {
  const issuer = asText(JWT_ISSUER) ?? asText(PUBLIC_URL) ?? `http://localhost:${String(PORT)}`
  return [refreshAudienceOf(issuer), revocationsAudienceOf(issuer)].includes(String(JWT_AUDIENCE))
}
