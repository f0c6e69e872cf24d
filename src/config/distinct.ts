import { refreshAudienceOf, revocationsAudienceOf } from '@gatehouse/verify/protocol'

type Values = Record<string, unknown>

const asText = (value: unknown) => (typeof value === 'string' ? value : undefined)

/** Secrets that other services know. A service that knows KEYS_SECRET could create refresh tokens. */
const sharedSecrets = [
  'JWT_SECRET',
  'SMS_WEBHOOK_SECRET',
  'METRICS_TOKEN',
  'OLD_APP_JWT_SECRET',
  'OLD_APP_COOKIE_SECRET',
]

/** Faults of values that must differ from each other. */
export function notDistinct(values: Values): string[] {
  const same = sharedSecrets.filter(
    (name) => values[name] !== undefined && values[name] === values.KEYS_SECRET,
  )
  return [
    ...same.map((name) => `KEYS_SECRET must not be the same as ${name}`),
    ...['OLD_APP_JWT_SECRET', 'OLD_APP_COOKIE_SECRET']
      .filter((name) => values[name] !== undefined && values[name] === values.JWT_SECRET)
      .map((name) => `${name} must not be the same as JWT_SECRET`),
    ...(isReserved(values)
      ? ['JWT_AUDIENCE is the audience of refresh or revocation tokens: choose another']
      : []),
  ]
}

function isReserved({ JWT_AUDIENCE, JWT_ISSUER, PUBLIC_URL, PORT }: Values): boolean {
  const issuer = asText(JWT_ISSUER) ?? asText(PUBLIC_URL) ?? `http://localhost:${String(PORT)}`
  return [refreshAudienceOf(issuer), revocationsAudienceOf(issuer)].includes(String(JWT_AUDIENCE))
}
