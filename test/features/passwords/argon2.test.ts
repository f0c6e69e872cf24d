import argon2 from 'argon2'
import t from 'tap'
import {
  agree,
  loadArgon2,
  loadFast,
  loadUsual,
  type Argon2,
} from '../../../src/features/passwords/argon2.js'

const parameters = { memory: 64, iterations: 2, parallelism: 1 }
const libraries: [string, () => Promise<Argon2>][] = [
  ['argon2', loadUsual],
  ['@node-rs/argon2', loadFast],
]

for (const [name, load] of libraries) {
  t.test(`${name} makes argon2id hashes with the parameters and a salt of its own`, async (t) => {
    const { hash, matches } = await load()
    const [one, other] = [await hash('pässword', parameters), await hash('pässword', parameters)]
    t.match(one, /^\$argon2id\$v=19\$m=64,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    t.not(one, other)
    t.ok(await argon2.verify(one, 'pässword'))
    t.ok(await matches(one, 'pässword'))
    t.notOk(await matches(one, 'password'))
  })

  t.test(`${name} finds that no password has a malformed hash`, async (t) => {
    const { hash, matches } = await load()
    const whole = await hash('a', parameters)
    const broken = [
      '',
      '$',
      whole.slice(0, -1),
      whole.replace('argon2id', 'argon2x'),
      whole.replace('m=64', 'm=0'),
      whole.replace('t=2', 't=0'),
      whole.replace('p=1', 'p=0'),
      whole.replace(/\$[^$]+$/, '$AAAA'),
      whole.replace(/\$[^$]+\$([^$]+)$/, '$$AA$$$1'),
      `${whole}\0`,
    ]
    for (const text of broken) t.notOk(await matches(text, 'a'), JSON.stringify(text))
  })
}

t.test('a hash whose base64 ends in spare bits is verified all the same', async (t) => {
  const { hash, matches } = await loadArgon2()
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const loose = (await hash('a', parameters)).replace(/.$/, (last) => {
    return digits[digits.indexOf(last) | 1] ?? ''
  })
  t.ok(await matches(loose, 'a'))
  t.notOk(await matches(loose, 'b'))
})

t.test('a library that makes other hashes, accepts anything or fails is not used', async (t) => {
  const usual = await loadUsual()
  t.ok(await agree(usual, await loadFast()))
  const never = () => Promise.resolve(false)
  const others: Argon2[] = [
    { ...usual, matches: never },
    { ...usual, matches: () => Promise.resolve(true) },
    { ...usual, hash: () => Promise.resolve('$argon2i$v=19$m=16,t=2,p=2$c2FsdHNhbHQ$aGFzaA') },
    { ...usual, hash: (password, chosen) => usual.hash(password, { ...chosen, iterations: 3 }) },
    { ...usual, hash: (password, chosen) => usual.hash(`${password}!`, chosen) },
    { ...usual, hash: () => Promise.reject(new Error('illegal instruction')) },
  ]
  for (const other of others) t.notOk(await agree(usual, other).catch(() => false))
})
