import ipaddr from 'ipaddr.js'

type Values = Record<string, unknown>

const named = ['loopback', 'linklocal', 'uniquelocal', 'none']

/** Fastify would end the start with a TypeError. */
export function badProxies({ TRUST_PROXY }: Values): string[] {
  const items = String(TRUST_PROXY)
    .split(',')
    .flatMap((item) => item.trim() || [])
  const wrong = items.filter((item) => !named.includes(item) && !isNetwork(item))
  return wrong.length === 0
    ? []
    : [
        'TRUST_PROXY must be addresses such as 10.0.0.1, ranges such as 10.0.0.0/8, ' +
          'loopback, linklocal, uniquelocal, or none, separated by commas',
      ]
}

/** An address or a range, as Fastify reads them: `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`. */
function isNetwork(text: string): boolean {
  const [address = '', range, ...more] = text.split('/')
  if (!ipaddr.isValid(address) || more.length > 0) return false
  if (range === undefined) return true
  const parsed = ipaddr.parse(address)
  const max = parsed.kind() === 'ipv6' ? 128 : 32
  if (/^[0-9]+$/.test(range)) return Number(range) >= 1 && Number(range) <= max
  const isMask = parsed.kind() === 'ipv4' && ipaddr.IPv4.isValidFourPartDecimal(range)
  return isMask && (ipaddr.IPv4.parse(range).prefixLengthFromSubnetMask() ?? 0) > 0
}

const forms = {
  MAIL_URL: 'a URL such as smtp://user:password@host:587, or log',
  SMS_WEBHOOK_URL: 'a URL such as https://sms.example.org/send',
  GITHUB_URL: 'an origin such as https://github.com',
  OIDC_ISSUER: 'an issuer URL such as https://id.example.org',
}
const databaseForm = 'a URL such as postgres://user:password@host/database'
const encoding = '; in the password, write # as %23, / as %2F, ? as %3F and @ as %40'

/** URLs that match their pattern and that no parser accepts. */
export function badUrls(values: Values): string[] {
  const isBad = (name: string, isUrl: (text: string) => boolean) => {
    const value = values[name]
    return typeof value === 'string' && !isUrl(value)
  }
  const databases = ['DATABASE_URL', 'DATABASE_LISTEN_URL']
    .filter((name) => isBad(name, isDatabaseUrl))
    .map((name) => `${name} must be ${databaseForm}${hasPassword(values[name]) ? encoding : ''}`)
  const others = Object.entries(forms)
    .filter(([name]) => isBad(name, (text) => text === 'log' || URL.canParse(text)))
    .map(([name, form]) => `${name} must be ${form}`)
  return [...databases, ...others]
}

const hasPassword = (value: unknown) => /:[^@]*:.*@/.test(String(value))

/** `postgres://user:password@/db` (no host, a Unix socket) is valid for `pg`, and not for URL. */
const isDatabaseUrl = (text: string) =>
  !/^postgres(ql)?:/.test(text) || URL.canParse(text.replace('@/', '@socket/'))
