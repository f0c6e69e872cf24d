import { readKeySet } from '../crypto/key-set.js'

type Values = Record<string, unknown>

/** Faults of the variables about the old app of imported users. */
export function badOldApp(values: Values): string[] {
  const {
    OLD_APP_JWT_SECRET: secret,
    OLD_APP_JWT_KEYS: keys,
    OLD_APP_UNTIL: until,
  } = values as Record<string, string | undefined>
  const isHmac = String(values.OLD_APP_JWT_ALGORITHM).startsWith('HS')
  return [
    ...(until === undefined || isDay(until)
      ? []
      : ['OLD_APP_UNTIL must be a date such as 2027-01-31']),
    ...(secret !== undefined && keys !== undefined
      ? ['OLD_APP_JWT_SECRET and OLD_APP_JWT_KEYS are both set: unset one of them']
      : []),
    ...(keys !== undefined && readKeySet(keys) === undefined
      ? ['OLD_APP_JWT_KEYS must be a JSON Web Key Set of public keys']
      : []),
    ...(keys !== undefined && isHmac
      ? ['OLD_APP_JWT_ALGORITHM must be RS256, ES256 or EdDSA with OLD_APP_JWT_KEYS']
      : []),
    ...(secret !== undefined && !isHmac
      ? ['OLD_APP_JWT_ALGORITHM must be HS256, HS384 or HS512 with OLD_APP_JWT_SECRET']
      : []),
  ]
}

/** A day of the calendar, not 2027-02-30. */
const isDay = (text: string) =>
  !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
