import {
  createHash,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
  type JsonWebKey,
} from 'node:crypto'

/** An authenticator and its browser, written from WebAuthn Level 3 apart from the service. */
type Value = number | string | Buffer | Map<Value, Value> | Value[]

/** CBOR (RFC 8949) of the few kinds that WebAuthn needs. */
export function cbor(value: Value): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  const entries = [...value].flatMap(([key, one]) => [cbor(key), cbor(one)])
  return Buffer.concat([head(5, value.size), ...entries])
}

function head(kind: number, size: number): Buffer {
  const first = kind << 5
  if (size < 24) return Buffer.from([first | size])
  if (size < 256) return Buffer.from([first | 24, size])
  const long = Buffer.alloc(3)
  long.writeUInt8(first | 25)
  long.writeUInt16BE(size, 1)
  return long
}

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest()
const text = (data: Buffer) => data.toString('base64url')
const bytes = (value: unknown) => Buffer.from(String(value), 'base64url')

export const flag = { present: 1, verified: 4, eligible: 8, backedUp: 16, made: 64, extended: 128 }

type Kind = 'ES256' | 'EdDSA' | 'RS256' | 'ES384'

function keyPair(kind: Kind): { cose: Map<Value, Value>; privateKey: KeyObject } {
  const { publicKey, privateKey } =
    kind === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : kind === 'RS256'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind === 'ES256' ? 'P-256' : 'P-384' })
  const jwk: JsonWebKey = publicKey.export({ format: 'jwk' })
  const rows: Record<Kind, [Value, Value][]> = {
    ES256: [
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, bytes(jwk.x)],
      [-3, bytes(jwk.y)],
    ],
    ES384: [
      [1, 2],
      [3, -35],
      [-1, 2],
      [-2, bytes(jwk.x)],
      [-3, bytes(jwk.y)],
    ],
    EdDSA: [
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, bytes(jwk.x)],
    ],
    RS256: [
      [1, 3],
      [3, -257],
      [-1, bytes(jwk.n)],
      [-2, bytes(jwk.e)],
    ],
  }
  return { cose: new Map(rows[kind]), privateKey }
}

/** What a forger changes. */
export type Change = {
  origin?: string
  rpId?: string
  type?: string
  challenge?: string
  client?: Record<string, unknown>
  flags?: number
  count?: number
  id?: Buffer
  userHandle?: string | null
  cose?: Map<Value, Value>
  /** Made of what it would sign, if it is a function. */
  statement?: Map<Value, Value> | ((signed: Buffer) => Map<Value, Value>)
  format?: string
  /** Changes the bytes before the signature. */
  data?: (authData: Buffer) => Buffer
  /** Changes the bytes after the signature. */
  after?: (authData: Buffer) => Buffer
  attestation?: (object: Buffer) => Buffer
  signature?: (signature: Buffer) => Buffer
}

type Setting = {
  origin?: string
  kind?: Kind
  aaguid?: string
  verifies?: boolean
  eligible?: boolean
  transports?: string[]
  resident?: boolean
}

type Creation = { challenge: string; rp: { id: string }; user: { id: string } }
type Request = { challenge: string; rpId: string }

/** One passkey. Its counter starts at 0 and stays there until `count` is set. */
export function authenticator(setting: Setting = {}) {
  const { origin = 'http://localhost:3000', kind = 'ES256', verifies = true } = setting
  const { eligible = false, transports = ['internal'], resident = true } = setting
  const aaguid = Buffer.from(
    (setting.aaguid ?? '00000000-0000-0000-0000-000000000000').replaceAll('-', ''),
    'hex',
  )
  const id = randomBytes(32)
  const { cose, privateKey } = keyPair(kind)
  const backup = eligible ? flag.eligible | flag.backedUp : 0
  const ordinary = flag.present | (verifies ? flag.verified : 0) | backup
  let handle = ''

  function dataOf(rpId: string, flags: number, count: number, rest: Buffer[] = []): Buffer {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(count)
    return Buffer.concat([sha256(rpId), Buffer.from([flags]), counter, ...rest])
  }

  const clientOf = (type: string, challenge: string, change: Change): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: change.type ?? type,
        challenge: change.challenge ?? challenge,
        origin: change.origin ?? origin,
        crossOrigin: false,
        ...change.client,
      }),
    )

  return {
    id,
    create({ challenge, rp, user }: Creation, change: Change = {}) {
      handle = user.id
      const own = change.id ?? id
      const length = Buffer.alloc(2)
      length.writeUInt16BE(own.length)
      const rest = [aaguid, length, own, cbor(change.cose ?? cose)]
      const flags = change.flags ?? ordinary | flag.made
      const authData = dataOf(change.rpId ?? rp.id, flags, change.count ?? 0, rest)
      const client = clientOf('webauthn.create', challenge, change)
      const { statement = new Map<Value, Value>() } = change
      const signed = Buffer.concat([authData, sha256(client)])
      const object = cbor(
        new Map<Value, Value>([
          ['fmt', change.format ?? 'none'],
          ['attStmt', typeof statement === 'function' ? statement(signed) : statement],
          ['authData', change.data?.(authData) ?? authData],
        ]),
      )
      return {
        id: text(own),
        rawId: text(own),
        type: 'public-key',
        response: {
          clientDataJSON: text(client),
          attestationObject: text(change.attestation?.(object) ?? object),
          transports,
        },
        authenticatorAttachment: 'platform',
        clientExtensionResults: { credProps: { rk: resident } },
      }
    },

    get({ challenge, rpId }: Request, change: Change = {}) {
      const plain = dataOf(change.rpId ?? rpId, change.flags ?? ordinary, change.count ?? 0)
      const authData = change.data?.(plain) ?? plain
      const client = clientOf('webauthn.get', challenge, change)
      const signed = Buffer.concat([authData, sha256(client)])
      const signature = sign(
        kind === 'EdDSA' ? null : kind === 'ES384' ? 'sha384' : 'sha256',
        signed,
        privateKey,
      )
      const own = change.id ?? id
      const userHandle = change.userHandle === undefined ? handle : change.userHandle
      return {
        id: text(own),
        rawId: text(own),
        type: 'public-key',
        response: {
          clientDataJSON: text(client),
          authenticatorData: text(change.after?.(authData) ?? authData),
          signature: text(change.signature?.(signature) ?? signature),
          userHandle,
        },
        clientExtensionResults: {},
      }
    },
    cose,
  }
}

export type Authenticator = ReturnType<typeof authenticator>
