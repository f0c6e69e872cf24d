// Words of well-known placeholder secrets. Case, spaces and punctuation are ignored, and every repetition
// of a word counts, so that "change-me-change-me-change-me-…" is found too.
const placeholders = [
  'changeme',
  'secret',
  'password',
  'default',
  'undefined',
  'null',
  'test',
  'example',
  'gatehouse',
]

const secrets = ['KEYS_SECRET', 'JWT_SECRET', 'SMS_WEBHOOK_SECRET', 'METRICS_TOKEN']

/** Secrets of another system. An attacker who guesses one can log in as any imported user. */
const oldSecrets = ['OLD_APP_JWT_SECRET', 'OLD_APP_COOKIE_SECRET']

/** Faults of secrets that are long enough and yet easy to guess. The schema refuses shorter ones. */
export function weakSecrets(values: Record<string, unknown>): string[] {
  const isWeak = (name: string, least: number) => {
    const value = values[name]
    return typeof value === 'string' && value.length >= least && isGuessable(value)
  }
  return [
    ...secrets
      .filter((name) => isWeak(name, 32))
      .map((name) => `${name} can be guessed: create one with \`openssl rand -base64 48\``),
    ...oldSecrets
      .filter((name) => isWeak(name, 24))
      .map((name) => `${name} can be guessed: unset it, and let the users log in once`),
  ]
}

function isGuessable(secret: string): boolean {
  const letters = secret.toLowerCase().replace(/[^a-z0-9]/g, '')
  const rest = placeholders.reduce((text, word) => text.replaceAll(word, ''), letters)
  return new Set(secret).size < 10 || rest.length < 16
}
