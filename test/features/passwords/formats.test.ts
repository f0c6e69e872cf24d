import argon2 from 'argon2'
import bcrypt from 'bcryptjs'
import { scryptSync } from 'node:crypto'
import t from 'tap'
import { createLanes } from '../../../src/concurrency/lanes.js'
import { readDigestFormat, readForeign } from '../../../src/features/passwords/foreign/formats.js'
import type { HashHints } from '../../../src/features/passwords/foreign/reading.js'
import { isWeak } from '../../../src/features/passwords/foreign/costs.js'
import {
  dummyOf,
  readStored,
  writeStored,
  writeWrapped,
  type StoredHash,
} from '../../../src/features/passwords/foreign/stored.js'
import { createHashing } from '../../../src/features/passwords/child-process.js'
import { createPasswordHasher } from '../../../src/features/passwords/hash.js'
import { foreignHashes, type ForeignHash } from '../../support/foreign-hashes.js'
import { random } from '../../support/random.js'

const password = 'correct horse battery'
const argon2Rest = 'c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ'
const keyId = '0192f3a4-5b6c-7d8e-9f01-23456789abcd'
const keys = new Map<string, Buffer>()
const passwords = createPasswordHasher(
  createLanes({ lanes: 2, queue: 1_000, maxWait: 60_000 }),
  { memory: 1_024, iterations: 1, parallelism: 1 },
  createHashing({ threads: 2, log: { warn: () => undefined } }),
  { findKey: async (id) => keys.get(id) },
)

function hintsOf({ hint, salt, key }: ForeignHash): HashHints {
  const digest = hint === undefined ? undefined : readDigestFormat(hint)
  return {
    django: hint === 'django',
    ...(digest && { digest }),
    ...(salt !== undefined && { salt }),
    ...(key !== undefined && { key: keyId }),
  }
}

/** The hash as an import stores it. */
async function store(stored: StoredHash): Promise<string> {
  const { recipe, digest } = stored
  if (!digest) throw new Error('is wrapped already')
  return isWeak(recipe)
    ? writeWrapped(recipe, await passwords.wrap(digest))
    : writeStored(recipe, digest)
}

function read(entry: ForeignHash): StoredHash {
  const stored = readForeign(entry.hash, hintsOf(entry))
  if ('fault' in stored) throw new Error(`${entry.name}: ${stored.fault}`)
  return stored
}

t.test('each format of another system lets in its password, and no other', async (t) => {
  t.ok(new Set(foreignHashes.map(({ name }) => name)).size >= 70, 'formats')
  for (const entry of foreignHashes) {
    if (entry.key !== undefined) keys.set(keyId, Buffer.from(entry.key))
    const text = await store(read(entry))
    const right = await passwords.verify(text, entry.password)
    t.ok(right.valid, `${entry.name} lets in ${entry.password}`)
    t.equal(right.needsRehash, !text.startsWith('$argon2id$v=19$'), 'which is then hashed again')
    const wrong = await passwords.verify(text, `${entry.password}!`)
    t.notOk(wrong.valid || wrong.needsRehash, `${entry.name} refuses another password`)
  }
})

t.test('a weak hash is not stored: argon2id of it is', async (t) => {
  const weak = foreignHashes.filter((entry) => isWeak(read(entry).recipe))
  t.ok(weak.length > 60, `${weak.length} weak hashes`)
  for (const entry of weak) {
    const stored = read(entry)
    const digest = stored.digest ?? Buffer.alloc(0)
    const text = await store(stored)
    t.match(text, /^\$wrapped\$.+\$argon2id\$v=19\$/, entry.name)
    for (const form of ['hex', 'base64'] as const) {
      t.notOk(text.includes(digest.toString(form).slice(0, 20)), 'without the digest')
    }
  }
  const names = new Set(weak.map(({ name }) => name))
  const kept = [...new Set(foreignHashes.map(({ name }) => name))].filter(
    (name) => !names.has(name),
  )
  t.notOk(
    kept.find((name) => /md5|apr|ssha\b|sha1\(|:1000$/i.test(name)),
    'none of these is kept',
  )
})

/** Each with the least cost that is enough, and with less. */
const costs = [
  ['scrypt:8192:8:1$abcdefgh$', 'scrypt:2:1:1$abcdefgh$', '0'.repeat(128)],
  ['scrypt:65536:1:1$abcdefgh$', 'scrypt:32768:1:1$abcdefgh$', '0'.repeat(128)],
  ['pbkdf2:sha256:100000$abcdefgh$', 'pbkdf2:sha256:99999$abcdefgh$', '0'.repeat(64)],
  ['$6$rounds=100000$abcdefgh$', '$6$rounds=99999$abcdefgh$', 'a'.repeat(86)],
  ['$2b$10$', '$2b$09$', 'a'.repeat(53)],
  ['$argon2id$v=19$m=8192,t=2,p=1$', '$argon2id$v=19$m=8191,t=2,p=1$', argon2Rest],
  ['$argon2i$m=16384,t=1,p=1$', '$argon2i$m=8,t=1,p=1$', argon2Rest],
  ['$argon2d$t=1,m=16384,p=1$', '$argon2d$t=1,m=16383,p=4$', argon2Rest],
] as const

t.test('a hash of any kind is weak if it costs too little', async (t) => {
  for (const [enough, less, rest] of costs) {
    for (const [start, expected] of [
      [enough, false],
      [less, true],
    ] as const) {
      const stored = readForeign(start + rest)
      if ('fault' in stored) throw new Error(`${start}: ${stored.fault}`)
      t.equal(isWeak(stored.recipe), expected, start)
    }
  }
})

t.test('a cheap hash of a slow kind is hashed again, and lets in its password', async (t) => {
  const cheap = { timeCost: 1, memoryCost: 64, parallelism: 2 }
  const hashes = [
    `scrypt:16:1:1$abcdefgh$${scryptSync(password, 'abcdefgh', 64, { N: 16, r: 1, p: 1 }).toString('hex')}`,
    bcrypt.hashSync(password, 4),
    await argon2.hash(password, { ...cheap, type: argon2.argon2id }),
    await argon2.hash(password, { ...cheap, type: argon2.argon2i, hashLength: 24 }),
    await argon2.hash(password, { ...cheap, type: argon2.argon2d, version: 16 }),
  ]
  for (const hash of hashes) {
    const stored = readForeign(hash)
    if ('fault' in stored || !stored.digest) throw new Error(hash)
    const text = await store(stored)
    t.match(text, /^\$wrapped\$.+\$argon2id\$v=19\$m=1024,/, hash)
    t.notOk(text.includes(stored.digest.toString('base64').slice(0, 16)), 'without the digest')
    t.strictSame(readForeign(text), readStored(text), 'an import takes it')
    t.ok((await passwords.verify(text, password)).needsRehash, 'which is then hashed again')
    t.notOk((await passwords.verify(text, `${password}!`)).valid)
    const dummy = dummyOf(
      readStored(text)?.scheme ?? '',
      text.slice(text.indexOf('$argon2id$v=19$m=1024')),
    )
    t.notOk((await passwords.verify(dummy, password)).valid, 'its time can be measured')
  }
})

t.test('what is stored is read as it was written', async (t) => {
  for (const entry of foreignHashes) {
    const text = await store(read(entry))
    const again = readStored(text)
    if (!again) throw new Error(text)
    t.equal(again.scheme.replace('wrapped$', ''), read(entry).scheme, entry.name)
    const { recipe, wrapping, digest } = again
    t.equal(
      wrapping ? writeWrapped(recipe, wrapping) : writeStored(recipe, digest ?? Buffer.alloc(0)),
      text,
    )
    t.strictSame(readForeign(text), again, 'and an import takes it')
    t.equal(readStored(dummyOf(again.scheme, wrapping ?? ''))?.scheme, again.scheme, 'a dummy')
  }
})

const bombs = [
  'pbkdf2:sha256:2000001$abcdefgh$' + '0'.repeat(64),
  // Two blocks of SHA-256, each with all rounds.
  '$pbkdf2-sha256$i=1000001,l=64$c2FsdA$' + 'A'.repeat(86),
  'pbkdf2:sha256:999999999$abcdefgh$' + '0'.repeat(64),
  'scrypt:1048576:8:1$abcdefgh$' + '0'.repeat(128),
  'scrypt:32768:64:1$abcdefgh$' + '0'.repeat(128),
  'scrypt:32768:8:16$abcdefgh$' + '0'.repeat(128),
  'scrypt:32769:8:1$abcdefgh$' + '0'.repeat(128),
  'scrypt$1073741824$abcdefgh$8$1$' + 'A'.repeat(43),
  'pbkdf2_sha256$99999999$abcdefgh$' + 'A'.repeat(43),
  '$2b$16$' + 'a'.repeat(53),
  '$2b$31$' + 'a'.repeat(53),
  '$5$rounds=999999999$abcdefgh$' + 'a'.repeat(43),
  '$6$rounds=1000001$abcdefgh$' + 'a'.repeat(86),
  '$argon2id$v=19$m=4194304,t=2,p=1$c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ',
  '$argon2i$v=19$m=1024,t=11,p=1$c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ',
  '$argon2d$v=19$m=1024,t=1,p=17$c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ',
  '$wrapped$argon2id$v=19$m=4194304,t=1,p=1,l=32$c2l4dGVlbiBieXRlIHNhbHQ$argon2id$v=19$m=1024,t=2,p=1$c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ',
  '$wrapped$argon2i$v=19$m=8,t=1,p=16,l=32$c2l4dGVlbiBieXRlIHNhbHQ$argon2id$v=19$m=1024,t=2,p=1$c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ',
  '$wrapped$md5$f=password+salt$c2FsdA$argon2id$v=19$m=999999999,t=2,p=1$c2l4dGVlbiBieXRlIHNhbHQ$c2l4dGVlbiBieXRlIHNhbHQ',
  '$scrypt$ln=30,r=8,p=1,l=64$c2FsdA$' + 'A'.repeat(86),
  '$pbkdf2-sha256$i=99999999,l=32$c2FsdA$' + 'A'.repeat(43),
]

t.test('a hash that costs too much is refused and named, and never computed', async (t) => {
  for (const bomb of bombs) {
    t.match(readForeign(bomb), { fault: /^costs too much: / }, bomb.slice(0, 40))
    const start = performance.now()
    const { valid } = await passwords.verify(bomb, 'correct horse battery')
    t.notOk(valid, 'nor does it let anybody in')
    t.ok(performance.now() - start < 1_000, 'at once')
  }
})

t.test('a malformed hash is a failed login, never an error', { timeout: 300_000 }, async (t) => {
  const seed = Date.now() % 1_000_000
  t.comment(`seed ${seed}`)
  const next = random(seed)
  const upTo = (limit: number) => Math.floor(next() * limit)
  const pick = <Item>(items: Item[]): Item | undefined => items[upTo(items.length)]
  const whole = [
    ...foreignHashes.map(({ hash }) => hash),
    ...(await Promise.all(
      foreignHashes.filter((_, at) => at % 5 === 0).map((each) => store(read(each))),
    )),
  ]
  const odd = ['', '$', '$$$$', ':', 'x', '{', '{}', '\0', '\ud800', '$argon2id$', 'ä', '=']
  const damages: ((text: string) => string)[] = [
    (text) => text.slice(0, upTo(text.length)),
    (text) => text.slice(upTo(text.length)),
    (text) => text + String(pick(odd)),
    (text) => {
      const at = upTo(text.length)
      return text.slice(0, at) + String(pick(odd)) + text.slice(at + upTo(3))
    },
    (text) => text.replace(/[0-9]+/g, (digits) => (upTo(3) ? digits : '99999999999999999999')),
    (text) =>
      text
        .split('$')
        .sort(() => upTo(3) - 1)
        .join('$'),
  ]
  let taken = 0
  for (let round = 0; round < 20_000; round += 1) {
    const text = pick(damages)?.(pick(whole) ?? '') ?? ''
    const stored = readForeign(text, round % 2 ? { django: true } : {})
    if (!('fault' in stored)) taken += 1
    else if (typeof stored.fault !== 'string') t.fail(text)
    readStored(text)
  }
  t.ok(taken > 100, `${taken} were read nevertheless`)
  for (const text of odd.concat(whole.map((each) => each.slice(0, -4) + '!!!!')).slice(0, 60)) {
    if ((await passwords.verify(text, 'correct horse battery')).valid) t.fail(text)
  }
})

t.test('a hash with a key that is gone lets nobody in', async (t) => {
  const [entry] = foreignHashes.filter(({ key }) => key !== undefined)
  if (!entry) throw new Error('no such fixture')
  keys.clear()
  t.notOk((await passwords.verify(await store(read(entry)), entry.password)).valid)
})

t.test('what the operator has to say is named', async (t) => {
  const digest = readDigestFormat('md5(password+salt)')
  const bare = '88e4ddd2402d92d50e1879d6ecd9ffd4'
  t.match(readForeign(bare), { fault: /--hash-format/ })
  t.match(readForeign(bare, digest && { digest }), { fault: /password_salt/ })
  const keyed = readDigestFormat('md5(password+key)')
  t.match(readForeign(bare, keyed && { digest: keyed }), { fault: /--salt-key-file/ })
  for (const text of ['md5', 'md5()', 'md5(salt)', 'md4(password)', 'md5(password+password)', '']) {
    t.equal(readDigestFormat(text), undefined, text)
  }
})
