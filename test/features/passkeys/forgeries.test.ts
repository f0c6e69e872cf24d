import { execFile } from 'node:child_process'
import { sign, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ada, bearer, signUp, testApp } from '../../support/app.js'
import { authenticator, cbor, flag, type Change } from '../../support/authenticator.js'
import { poster } from '../../support/factors.js'
import { temporaryFolder } from '../../support/folder.js'
import { addPasskey, optionsOf, useOf, withPasskey } from '../../support/passkeys.js'

const flipped = (at: number) => (data: Buffer) => {
  const copy = Buffer.from(data)
  copy.writeUInt8(
    copy.readUInt8(at < 0 ? copy.length + at : at) ^ 1,
    at < 0 ? copy.length + at : at,
  )
  return copy
}
const cut = (to: number) => (data: Buffer) => data.subarray(0, to)
const longer = (data: Buffer) => Buffer.concat([data, Buffer.from([0])])
const withFlags = (flags: number) => (data: Buffer) => {
  const copy = Buffer.from(data)
  copy.writeUInt8(flags, 32)
  return copy
}
const { present, verified, eligible, backedUp, made, extended } = flag
const ordinary = present | verified
const other = authenticator()

/** What is wrong with every answer, a new passkey's and a login's. */
const ofBoth: Record<string, Change> = {
  'another origin': { origin: 'https://evil.example' },
  'a subdomain': { origin: 'http://login.localhost:3000' },
  'another scheme': { origin: 'https://localhost:3000' },
  'another port': { origin: 'http://localhost:3001' },
  'an origin with a slash': { origin: 'http://localhost:3000/' },
  'an origin in capitals': { origin: 'HTTP://LOCALHOST:3000' },
  'no origin': { client: { origin: undefined } },
  'an origin that is null': { client: { origin: null } },
  'a list of origins': { client: { origin: ['http://localhost:3000'] } },
  'a frame of another site': { client: { crossOrigin: true } },
  'a frame with its top origin': {
    client: { crossOrigin: true, topOrigin: 'https://evil.example' },
  },
  'a top origin without a frame': { client: { topOrigin: 'https://evil.example' } },
  'another RP id': { rpId: 'evil.example' },
  'the origin as the RP id': { rpId: 'http://localhost:3000' },
  'an empty RP id': { rpId: '' },
  'an invented challenge': { challenge: 'A'.repeat(43) },
  'an empty challenge': { challenge: '' },
  'no challenge': { client: { challenge: undefined } },
  'a challenge that is a number': { client: { challenge: 1 } },
  'another type': { type: 'webauthn.steal' },
  'the type of a payment': { type: 'payment.get' },
  'no user present': { flags: verified | made },
  'a backup of a passkey that cannot have one': { flags: ordinary | backedUp | made },
  'no RP id hash': { data: cut(0) },
  'a hash cut short': { data: cut(31) },
  'authenticator data without a counter': { data: cut(33) },
  'authenticator data cut by a byte': { data: cut(36) },
  'a byte too many': { data: longer },
  'extension data that is not there': { flags: ordinary | made | extended },
  'another token binding': { client: { tokenBinding: 'x' } },
}

const ofLogin: Record<string, Change> = {
  ...ofBoth,
  'the type of a registration': { type: 'webauthn.create' },
  'a signature with a bit changed': { signature: flipped(-1) },
  'a signature cut short': { signature: cut(20) },
  'a byte after the signature': { signature: longer },
  'a byte inside the sequence of the signature': {
    signature: (data) => {
      const copy = longer(data)
      copy.writeUInt8(copy.readUInt8(1) + 1, 1)
      return copy
    },
  },
  'an empty signature': { signature: cut(0) },
  'a signature of zeros': { signature: () => Buffer.alloc(71) },
  'r and s of zero': { signature: () => Buffer.from('3006020100020100', 'hex') },
  'another counter after the signature': { after: flipped(36) },
  'user verification set after the signature': { flags: present, after: withFlags(ordinary) },
  'user presence set after the signature': { flags: verified, after: withFlags(ordinary) },
  'another RP id after the signature': { rpId: 'evil.example', after: flipped(0) },
  'backup eligibility that has changed': { flags: ordinary | eligible | backedUp },
  'a credential that nobody has': { id: Buffer.alloc(32, 1) },
  'an empty credential id': { id: Buffer.alloc(0) },
  'the user handle of nobody': { userHandle: 'A'.repeat(22) },
  'no user handle': { userHandle: null },
  'an empty user handle': { userHandle: '' },
  'attested data that is not there': { flags: ordinary | made },
}

/** ES256 with a member changed. */
const cose = (...changes: [number, number | Buffer][]) =>
  new Map<number, number | Buffer>([...(other.cose as Map<number, Buffer>), ...changes]) as never

const ofNew: Record<string, Change> = {
  ...ofBoth,
  'the type of a login': { type: 'webauthn.get' },
  'no credential in it': { flags: ordinary },
  'the algorithm none': { cose: cose([3, 0]) },
  HS256: { cose: cose([3, 5]) },
  'a point that is not on the curve': { cose: cose([-3, Buffer.alloc(32, 1)]) },
  'a key of another curve': { cose: cose([-1, 2]) },
  'a key of another type': { cose: cose([1, 3]) },
  RS1: { cose: cose([3, -65535]) },
  ES384: { cose: authenticator({ kind: 'ES384' }).cose },
  'no algorithm': { cose: new Map() },
  'an algorithm that is bytes': { cose: cose([3, Buffer.from([7])]) },
  'attestation by a certificate': {
    format: 'packed',
    statement: new Map([['x5c', [Buffer.alloc(100)]]]),
  },
  'attestation of Android': { format: 'android-safetynet' },
  'attestation of Apple': { format: 'apple' },
  'attestation of a TPM': { format: 'tpm' },
  'attestation of a U2F key': { format: 'fido-u2f' },
  'an unknown attestation': { format: 'x' },
  'a statement where none may be': { statement: new Map([['sig', Buffer.alloc(4)]]) },
  'self attestation with a wrong signature': {
    format: 'packed',
    statement: new Map<string, unknown>([
      ['alg', -7],
      ['sig', Buffer.alloc(70)],
    ]) as never,
  },
  'CBOR cut in the middle': { attestation: cut(60) },
  'CBOR cut by a byte': { attestation: (data) => data.subarray(0, -1) },
  'a byte after the CBOR': { attestation: longer },
  'a second item after the CBOR': { attestation: (data) => Buffer.concat([data, cbor(1)]) },
  'CBOR that is a number': { attestation: () => cbor(1) },
  'CBOR that is a list': { attestation: () => cbor([]) },
  'an empty map': { attestation: () => cbor(new Map()) },
  'CBOR nested 6,000 deep': { attestation: () => Buffer.alloc(6_000, 0x81) },
  'a map that claims 2^32 entries': { attestation: () => Buffer.from('baffffffff', 'hex') },
  'text that claims 2^63 bytes': { attestation: () => Buffer.from('7b7fffffffffffffff', 'hex') },
  'the key cut short': { data: (data) => data.subarray(0, -10) },
  'a credential id that is longer than the data': {
    data: (data) => {
      const copy = Buffer.from(data)
      copy.writeUInt16BE(1_023, 53)
      return copy
    },
  },
}

t.test(`${Object.keys(ofLogin).length} forged logins are refused, and open nothing`, async (t) => {
  const service = await testApp(t)
  const { device } = await withPasskey(service)
  await service.sql('delete from sessions')
  for (const [name, change] of Object.entries(ofLogin)) {
    const answer = await useOf(service, device, change)
    t.equal(answer.status, 400, name)
    t.match(answer.body.code, /^(invalid_passkey|validation_failed)$/, name)
    t.strictSame(answer.raw.cookies, [], name)
  }
  t.equal((await service.sql('select from sessions')).length, 0)
  t.equal((await useOf(service, device)).status, 200, 'an honest one is accepted')
})

t.test(
  `${Object.keys(ofNew).length} forged passkeys are refused, and none is stored`,
  async (t) => {
    const service = await testApp(t)
    const login = await signUp(service.app)
    const post = poster(service.app)
    const headers = bearer(login.access_token)
    const begin = async () =>
      (await post('/api/user/passkeys/options', undefined, headers)).body.options as never
    for (const [name, change] of Object.entries(ofNew)) {
      const credential = authenticator().create(await begin(), change)
      const answer = await post('/api/user/passkeys', { credential }, headers)
      t.equal(answer.status, 400, name)
      t.match(answer.body.code, /^(invalid_passkey|validation_failed)$/, name)
    }
    t.equal((await service.sql('select from passkeys')).length, 0)
    const options = await begin()
    const credential = authenticator().create(options)
    t.equal((await post('/api/user/passkeys', { credential }, headers)).status, 201)
    const again = authenticator().create(options)
    t.match(
      await post('/api/user/passkeys', { credential: again }, headers),
      {
        body: { code: 'invalid_passkey' },
      },
      'the challenge was used',
    )
  },
)

t.test('a challenge is for one purpose, one session and five minutes', async (t) => {
  let at = Date.now()
  const service = await testApp(t, { now: () => new Date(at) })
  const { device, login } = await withPasskey(service)
  const post = poster(service.app)
  const headers = bearer(login.access_token)
  const eve = await signUp(service.app, { ...ada, email: 'eve@example.org' })
  const creation = async (access_token: string) =>
    (await post('/api/user/passkeys/options', undefined, bearer(access_token))).body
      .options as never
  const toRegister = (await creation(login.access_token)) as { challenge: string }
  const toLogIn = await optionsOf(service)
  const refused = { status: 400, body: { code: 'invalid_passkey' } }
  const logInWith = (challenge: string) =>
    post('/api/login/passkey', { credential: device.get({ ...toLogIn, challenge }) })
  t.match(await logInWith(toRegister.challenge), refused, 'of a registration')
  const add = (options: object, challenge: string) =>
    post(
      '/api/user/passkeys',
      { credential: authenticator().create({ ...options, challenge } as never) },
      headers,
    )
  t.match(await add(toRegister, toLogIn.challenge), refused, 'of a login')
  const ofEve = (await creation(eve.access_token)) as { challenge: string }
  t.match(await add(toRegister, ofEve.challenge), refused, 'of another session')
  const changed = Buffer.from(toLogIn.challenge, 'base64url')
  changed.writeUInt8(changed.readUInt8(40) ^ 1, 40)
  t.match(await logInWith(changed.toString('base64url')), refused, 'a bit of it changed')
  at += 300_000
  t.match(await logInWith(toLogIn.challenge), refused, 'five minutes old')
  t.match(await add(toRegister, toRegister.challenge), refused, 'five minutes old')
  t.equal((await useOf(service, device)).status, 200)
})

t.test('no passkey of another user is taken', async (t) => {
  const service = await testApp(t)
  const { device } = await withPasskey(service)
  const eve = await withPasskey(service, authenticator(), { ...ada, email: 'eve@example.org' })
  const post = poster(service.app)
  const options = await optionsOf(service)
  const own = eve.device.get(options)
  const victim = device.get(options)
  for (const [name, credential] of Object.entries({
    'the key of Eve under the id of Ada': { ...own, id: victim.id, rawId: victim.rawId },
    'the key of Eve with the handle of Ada': {
      ...own,
      response: { ...own.response, userHandle: victim.response.userHandle },
    },
    'another raw id': { ...own, rawId: victim.rawId },
    'the signature of Ada': {
      ...own,
      response: { ...own.response, signature: victim.response.signature },
    },
    'another type': { ...own, type: 'password' },
    'no response': { ...own, response: undefined },
    'client data that is no JSON': {
      ...own,
      response: { ...own.response, clientDataJSON: 'AAAA' },
    },
    'client data that is null': { ...own, response: { ...own.response, clientDataJSON: 'bnVsbA' } },
    'text that is not base64url': { ...own, response: { ...own.response, signature: '%%' } },
    'a signature of 3,000 characters': {
      ...own,
      response: { ...own.response, signature: 'A'.repeat(3_000) },
    },
  })) {
    const { status, body } = await post('/api/login/passkey', { credential })
    t.equal(status, 400, name)
    t.match(body.code, /^(invalid_passkey|validation_failed)$/, name)
  }
  t.equal(
    (await post('/api/login/passkey', { credential: own })).body.user?.email,
    'eve@example.org',
  )
})

/** A certificate of the form that packed attestation wants (WebAuthn §8.2.1), of nobody that anyone trusts. */
async function attestationKey(t: Test) {
  const folder = await temporaryFolder(t)
  const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const subject = ['-subj', '/C=SE/O=Acme/OU=Authenticator Attestation/CN=Acme']
  const extension = ['-addext', 'basicConstraints=critical,CA:FALSE']
  const files = ['-keyout', keyFile, '-out', certFile]
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    ...kind,
    ...subject,
    ...extension,
    ...files,
  ])
  const { raw } = new X509Certificate(await readFile(certFile))
  return { certificate: raw, key: await readFile(keyFile) }
}

t.test('a genuine attestation by a certificate is refused too', async (t) => {
  const { certificate, key } = await attestationKey(t)
  const service = await testApp(t)
  const login = await signUp(service.app, ada)
  const statement = (signed: Buffer) =>
    new Map<string, unknown>([
      ['alg', -7],
      ['sig', sign('sha256', signed, key)],
      ['x5c', [certificate]],
    ]) as never
  const change = { format: 'packed', statement }
  t.match(await addPasskey(service, login, authenticator(), change), {
    status: 400,
    body: { code: 'invalid_passkey' },
  })
})

t.test('failed answers count as failed logins of the network', async (t) => {
  const env = { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '5/1h' }
  const service = await testApp(t, { env })
  const { device } = await withPasskey(service)
  for (let at = 0; at < 8; at += 1) t.equal((await useOf(service, device)).status, 200)
  const statuses = []
  for (let at = 0; at < 8; at += 1)
    statuses.push((await useOf(service, device, { signature: flipped(-1) })).status)
  t.strictSame(statuses, [400, 400, 400, 400, 400, 429, 429, 429])
})
