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

/** Faults of secrets that are long enough and yet easy to guess. The schema refuses shorter ones. */
export function weakSecrets(values: Record<string, unknown>): string[] {
  return secrets.flatMap((name) => {
    const value = values[name]
    return typeof value === 'string' && value.length >= 32 && isGuessable(value)
      ? [`${name} can be guessed: create one with \`openssl rand -base64 48\``]
      : []
  })
}

function isGuessable(secret: string): boolean {
  const letters = secret.toLowerCase().replace(/[^a-z0-9]/g, '')
  const rest = placeholders.reduce((text, word) => text.replaceAll(word, ''), letters)
  return new Set(secret).size < 10 || rest.length < 16
}
