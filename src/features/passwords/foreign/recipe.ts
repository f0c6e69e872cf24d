/** The digest algorithms of salted hashes. */
export const digestAlgorithms = ['md5', 'sha1', 'sha256', 'sha512'] as const
export type DigestAlgorithm = (typeof digestAlgorithms)[number]

/** How a hash is made from a password. Salts are bytes, except where the algorithm takes its own alphabet. */
export type Recipe =
  | {
      kind: 'digest'
      algorithm: DigestAlgorithm
      /** `hmac` (the salt is the key), or what is joined, such as `password+salt` */
      form: string
      salt: Buffer
      /** The id of the stored key that takes part. */
      key?: string
    }
  | { kind: 'pbkdf2'; algorithm: DigestAlgorithm; iterations: number; salt: Buffer; length: number }
  | {
      kind: 'scrypt'
      ln: number
      r: number
      p: number
      salt: Buffer
      length: number
      nfkc: boolean
    }
  | { kind: 'firebase'; ln: number; r: number; salt: Buffer; key: string }
  | { kind: 'bcrypt'; cost: number; salt: string; before: BeforeBcrypt }
  | { kind: 'crypt'; id: CryptId; rounds: number; salt: string }
  | {
      kind: 'argon2'
      type: Argon2Type
      version: number
      m: number
      t: number
      p: number
      salt: string
      length: number
    }

/** What is done to a password before bcrypt, which reads 72 bytes only. */
const beforeBcrypt = ['none', 'sha256-hex', 'sha256-base64', 'hmac-base64'] as const
export type BeforeBcrypt = (typeof beforeBcrypt)[number]

/** The marks of crypt(3). */
const cryptIds = ['1', 'apr1', '5', '6'] as const
export type CryptId = (typeof cryptIds)[number]

const argon2Types = ['argon2i', 'argon2d', 'argon2id'] as const
export type Argon2Type = (typeof argon2Types)[number]

/** Name and parameters of a recipe in PHC form, such as `pbkdf2-sha256$i=1000,l=32`: all but its salt. */
export function schemeOf(recipe: Recipe): string {
  const withKey = (parameters: string, key?: string) => parameters + (key ? `,k=${key}` : '')
  switch (recipe.kind) {
    case 'digest':
      return `${recipe.algorithm}$${withKey(`f=${recipe.form}`, recipe.key)}`
    case 'pbkdf2':
      return `pbkdf2-${recipe.algorithm}$i=${str(recipe.iterations)},l=${str(recipe.length)}`
    case 'scrypt': {
      const { ln, r, p, length, nfkc } = recipe
      const costs = `ln=${str(ln)},r=${str(r)},p=${str(p)},l=${str(length)}`
      return `scrypt$${costs}${nfkc ? ',u=nfkc' : ''}`
    }
    case 'firebase':
      return `firebase-scrypt$${withKey(`ln=${str(recipe.ln)},r=${str(recipe.r)}`, recipe.key)}`
    case 'bcrypt':
      return `bcrypt$c=${str(recipe.cost)},b=${recipe.before}`
    case 'crypt':
      return `crypt$id=${recipe.id},rounds=${str(recipe.rounds)}`
    case 'argon2': {
      const { type, version, m, t, p } = recipe
      return `${type}$v=${str(version)}$m=${str(m)},t=${str(t)},p=${str(p)}`
    }
  }
}

/** The same for argon2id of the digest. The PHC form of argon2 tells the length by the digest, which is not there. */
export const wrappedSchemeOf = (recipe: Recipe) =>
  `wrapped$${schemeOf(recipe)}${recipe.kind === 'argon2' ? `,l=${str(recipe.length)}` : ''}`

const str = String

/** Reads what wrappedSchemeOf() wrote, and a salt. Returns undefined for anything else. */
export function readWrappedScheme(name: string, parameters: string, salt: string) {
  const { groups } =
    /^v=(?<version>16|19)\$m=(?<m>\d{1,9}),t=(?<t>\d{1,9}),p=(?<p>\d{1,9}),l=(?<l>\d{1,3})$/.exec(
      parameters,
    ) ?? {}
  const recipe = groups
    ? toArgon2({ ...groups, type: name, salt }, toNumber(groups.l))
    : readScheme(name, parameters, salt)
  return recipe && `wrapped$${name}$${parameters}` === wrappedSchemeOf(recipe) ? recipe : undefined
}

/** Returns undefined if the type or the salt is none. */
export function toArgon2(
  { type = '', version, m, t, p, salt = '' }: Partial<Record<string, string>>,
  length: number,
): Recipe | undefined {
  const known = argon2Types.find((each) => each === type)
  if (!known || !toBytes(salt)) return undefined
  const costs = { m: toNumber(m), t: toNumber(t), p: toNumber(p) }
  return { kind: 'argon2', type: known, version: Number(version), ...costs, salt, length }
}

/** Reads what schemeOf() wrote, and a salt. Returns undefined for anything else, and for argon2. */
export function readScheme(name: string, parameters: string, salt: string): Recipe | undefined {
  const values = new Map(parameters.split(',').map((pair) => split(pair, '=')))
  const number = (key: string) => toNumber(values.get(key))
  const bytes = toBytes(salt)
  const key = values.get('k')
  if (bytes === undefined || (key !== undefined && !isUuid(key))) return undefined
  const algorithm = digestAlgorithms.find((each) => each === name.replace('pbkdf2-', ''))
  const made = read()
  // Accept only the canonical form, so that parsing and formatting round-trip.
  return made && `${name}$${parameters}` === schemeOf(made) ? made : undefined

  function read(): Recipe | undefined {
    if (algorithm && name === algorithm) {
      const form = values.get('f') ?? ''
      const takesKey = partsOf(form)?.includes('key') ?? false
      if (!isForm(form) || takesKey !== (key !== undefined)) return undefined
      return { kind: 'digest', algorithm, form, salt: bytes as Buffer, ...(key && { key }) }
    }
    if (algorithm) {
      const [iterations, length] = [number('i'), number('l')]
      return { kind: 'pbkdf2', algorithm, iterations, length, salt: bytes as Buffer }
    }
    if (name === 'scrypt') {
      const nfkc = values.get('u') === 'nfkc'
      const costs = { ln: number('ln'), r: number('r'), p: number('p'), length: number('l') }
      return { kind: 'scrypt', ...costs, nfkc, salt: bytes as Buffer }
    }
    if (name === 'firebase-scrypt' && key !== undefined) {
      return { kind: 'firebase', ln: number('ln'), r: number('r'), key, salt: bytes as Buffer }
    }
    if (name === 'bcrypt') {
      const before = beforeBcrypt.find((each) => each === values.get('b'))
      return before && { kind: 'bcrypt', cost: number('c'), before, salt: bytes?.toString() ?? '' }
    }
    if (name === 'crypt') {
      const id = cryptIds.find((each) => each === values.get('id'))
      return id && { kind: 'crypt', id, rounds: number('rounds'), salt: bytes?.toString() ?? '' }
    }
    return undefined
  }
}

/** What a form joins, in order; undefined if it is none. The password is there once. */
export function partsOf(form: string): string[] | undefined {
  const parts = form.split('+')
  const isKnown = parts.every((part) => ['password', 'salt', 'key'].includes(part))
  return isKnown && parts.includes('password') && new Set(parts).size === parts.length
    ? parts
    : undefined
}

const isForm = (form: string) => form === 'hmac' || partsOf(form) !== undefined

const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)

/** NaN unless the text is a number as we write it. */
export const toNumber = (text: string | undefined) =>
  text !== undefined && /^(0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : NaN

export function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

/** Base64 without padding, as PHC strings have it. */
export const toBase64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

/** Reads base64; undefined if it is none. Salts of more than 256 bytes have no use. */
export function toBytes(text: string): Buffer | undefined {
  const bare = text.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]{0,342}$/.test(bare)) return undefined
  const bytes = Buffer.from(bare, 'base64')
  return toBase64(bytes) === bare ? bytes : undefined
}
