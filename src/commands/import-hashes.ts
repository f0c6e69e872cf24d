import { readFile } from 'node:fs/promises'
import { OperatorError } from '../errors.js'
import { readDigestFormat } from '../features/passwords/foreign/formats.js'
import type { HashHints } from '../features/passwords/foreign/reading.js'

export type HashFormat = {
  /** What is shown to the operator. */
  name: string
  hints: HashHints
  plain: boolean
  /** The key that takes part in the hashes. */
  key?: Buffer
}

const maxKeyBytes = 4_096

/**
 * Reads `--hash-format` and `--salt-key-file`. Django's hashes are told by the first rows.
 * @throws OperatorError
 */
export async function readHashFormat(
  { hashFormat, saltKeyFile }: { hashFormat?: string; saltKeyFile?: string },
  sample: unknown[],
): Promise<HashFormat> {
  if (hashFormat === 'firebase') return readFirebase(saltKeyFile)
  const digest = hashFormat === undefined ? undefined : readDigestFormat(hashFormat)
  const takesKey = digest?.form.split('+').includes('key') === true
  if (takesKey !== (saltKeyFile !== undefined)) {
    throw new OperatorError(
      takesKey
        ? `--hash-format ${String(hashFormat)} needs --salt-key-file`
        : '--salt-key-file needs a --hash-format with a key, such as "md5(password+key)"',
    )
  }
  if (digest) {
    const name = String(hashFormat)
    if (saltKeyFile === undefined) return { name, hints: { digest }, plain: false }
    return { name, hints: { digest }, plain: false, key: await readKey(saltKeyFile) }
  }
  if (hashFormat === 'plain') return { name: 'none: plain passwords', hints: {}, plain: true }
  if (hashFormat !== undefined && hashFormat !== 'django') {
    throw new OperatorError(
      `Unknown --hash-format ${hashFormat}. Use django, firebase, plain, or a formula such as "md5(password+salt)"`,
    )
  }
  const isDjango = hashFormat === 'django' || sample.some(isDjangoHash)
  if (isDjango) return { name: 'django', hints: { django: true }, plain: false }
  return { name: 'recognized from each hash', hints: {}, plain: false }
}

const isDjangoHash = (hash: unknown) =>
  typeof hash === 'string' && /^(pbkdf2_sha|bcrypt_sha256\$|bcrypt\$|argon2\$|scrypt\$)/.test(hash)

/** One line break at the end belongs to the file, not to the key. */
async function readKey(path: string): Promise<Buffer> {
  const text = await readText(path)
  const key = Buffer.from(text.replace(/\r?\n$/, ''))
  if (key.length > 0 && key.length <= maxKeyBytes) return key
  throw new OperatorError(`${path} must have 1 to ${String(maxKeyBytes)} bytes`)
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new OperatorError(`${path} cannot be read: ${reason}`, { cause })
  })
}

/** The object that the console of Firebase shows under "Password hash parameters", as JSON. */
async function readFirebase(path: string | undefined): Promise<HashFormat> {
  const form =
    '{"base64_signer_key": "…", "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}'
  const fault = `--hash-format firebase needs --salt-key-file with the hash parameters as JSON: ${form}`
  if (path === undefined) throw new OperatorError(fault)
  const text = await readText(path)
  let given: Record<string, unknown>
  try {
    given = JSON.parse(text) as Record<string, unknown>
  } catch (cause) {
    throw new OperatorError(fault, { cause })
  }
  const { base64_signer_key: key, base64_salt_separator: separator, rounds, mem_cost } = given
  const isComplete = typeof key === 'string' && typeof separator === 'string'
  if (!isComplete || typeof rounds !== 'number' || typeof mem_cost !== 'number') {
    throw new OperatorError(fault)
  }
  const firebase = { ln: mem_cost, r: rounds, separator: Buffer.from(separator, 'base64') }
  return { name: 'firebase', hints: { firebase }, plain: false, key: Buffer.from(key, 'base64') }
}
