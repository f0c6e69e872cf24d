import t from 'tap'
import { ada, bearer, signUp } from '../../support/app.js'
import { blackPng, gradient, median, picture, uploader } from '../../support/pictures.js'

const mebibyte = 1_048_576

/** How long it took, in milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** One after the other. */
async function times(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = []
  for (let nth = 0; nth < count; nth += 1) taken.push(await timed(work))
  return taken
}

t.test('a picture that says it is huge is refused unopened', async (t) => {
  const { send, serves } = await uploader(t)
  const small = await picture('png')
  const sendSmall = async () => t.equal((await send(small)).status, 200)
  await times(3, sendSmall)
  const usual = median(await times(7, sendSmall))
  for (const [width, height] of [
    [16_000, 16_000],
    [60_000, 500],
    [500, 60_000],
  ] as const) {
    const bomb = blackPng(width, height)
    t.ok(bomb.length < 40_000, `${bomb.length} bytes`)
    const before = process.memoryUsage().rss
    let most = before
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 2)
    const taken = await times(7, async () => {
      const { status, body } = await send(bomb)
      t.match({ status, code: body.code }, { status: 422, code: 'invalid_picture' })
    })
    clearInterval(watch)
    most = Math.max(most, process.memoryUsage().rss)
    t.ok(median(taken) < usual * 3, `${median(taken)} ms, where a small picture takes ${usual}`)
    t.ok(most - before < 50 * mebibyte, `${most - before} bytes more`)
  }
  t.ok(await serves())
  await sendSmall()
})

t.test('many large pictures at once keep nobody else waiting', async (t) => {
  const { app, send, get, token } = await uploader(t)
  const others: string[] = []
  for (let nth = 0; nth < 5; nth += 1) {
    others.push((await signUp(app, { ...ada, email: `user-${nth}@example.org` })).access_token)
  }
  const large = await gradient(4_990, 5_000).jpeg().toBuffer()
  let waiting = others.length * 3
  const uploads = [...others, ...others, ...others].map(async (token) => {
    const sent = await send(large, { token })
    waiting -= 1
    return sent
  })
  let served = 0
  while (waiting > 0) {
    const { status } = await get('/api/user', bearer(token))
    t.equal(status, 200)
    served += 1
  }
  t.ok(served > 10, `${served} answers meanwhile`)
  const statuses = (await Promise.all(uploads)).map(({ status, headers, body }) => {
    if (status === 200) return 200
    t.match(`${status} ${body.code}`, /^(429 rate_limited|503 overloaded)$/)
    t.ok(Number(headers.get('retry-after')) > 0)
    return status
  })
  t.ok(statuses.includes(200), `${statuses.filter((status) => status === 200).length} taken`)
  t.equal((await send(large)).status, 200)
})

const matter = (yaml: string) => `---\n${yaml}\n---\n# Ada\n`

const laughs = Array.from('bcdefghij', (name) => {
  const before = String.fromCharCode(name.charCodeAt(0) - 1)
  return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`
})

const readmes: Record<string, string | Buffer> = {
  'a billion laughs': matter(['a: &a [x, x]', ...laughs].join('\n')),
  'an alias': matter('a: &a 1\nb: *a'),
  'an alias of itself': matter('a: &a [*a]'),
  'an alias as a key': matter('&a a: 1\n*a : 2'),
  'a merge of an alias': matter('a: &a {b: 1}\nc:\n  <<: *a'),
  'front matter in JavaScript': '---js\n{ a: process.exit(1) }\n---\n',
  'a key __proto__': matter('__proto__: {polluted: true}'),
  'a key __proto__ further down': matter('a: [{"__proto__": {polluted: true}}]'),
  'a local tag': matter('a: !js/function "function () {}"'),
  'a tag of somebody': matter('a: !<tag:example.org,2000:x> 1'),
  '1 MB of front matter': matter('a: b\n'.repeat(200_000)),
  '60 KB of front matter': matter('a: b\n'.repeat(12_000)),
  'a tag': matter('a: !!js/function "function(){}"'),
  'a tag of another language': matter('a: !!python/object/apply:os.system ["id"]'),
  'a set': matter('a: !!set {x, y}'),
  'a merge': matter('a: {b: 1}\nc: {<<: {d: 1}}'),
  'nine lists': matter('a: [[[[[[[[[]]]]]]]]]'),
  'a list as a key': matter('? [a, b]\n: c'),
  '10,000 brackets': matter(`a: ${'['.repeat(10_000)}${']'.repeat(10_000)}`),
  '10,000 brackets that stay open': matter(`a: ${'['.repeat(10_000)}`),
  '1,900 braces': matter('{a: '.repeat(1_900)),
  '400 brackets': matter(`a: ${'['.repeat(400)}${']'.repeat(400)}`),
  '20 levels': matter(`a: ${'['.repeat(20)}${']'.repeat(20)}`),
  '4,000 dashes in a row': matter(`${'- '.repeat(4_000)}a`),
  '1,000 keys': matter(Array.from({ length: 1_000 }, (_, nth) => `k${nth}: `).join('\n')),
  'a key twice': matter('a: 1\na: 2'),
  'a key twice further down': matter('a: {b: 1, b: 2}'),
  NaN: matter('a: .nan'),
  Infinity: matter('a: .inf'),
  '-Infinity': matter('a: [-.inf]'),
  'a number beyond any': matter('a: 1e999'),
  NUL: 'a\0b',
  'NUL in front matter': matter('a: "\\0"'),
  'NUL in a key': matter('"\\0": 1'),
  'half a character': matter('a: "\\ud800"'),
  'invalid UTF-8': Buffer.from('6120ff20fe', 'hex'),
  'invalid UTF-8 in front matter': Buffer.concat([
    Buffer.from('---\na: '),
    Buffer.from('c328', 'hex'),
    Buffer.from('\n---\n'),
  ]),
  'UTF-16': Buffer.from('\ufeff# Ada', 'utf16le'),
  'two documents': matter('a: 1\n--- {}'),
  'a list': matter('- a'),
  'a text': matter('a'),
  'no YAML': matter('a: ['),
}

t.test('front matter that is a bomb is refused, at once', async (t) => {
  const { send, get, serves, id } = await uploader(t)
  const path = '/api/upload_readme'
  const good = async () => t.equal((await send(matter('a: 1'), { path })).status, 200)
  await times(5, good)
  const usual = median(await times(9, good))
  const kept = (await get(`/api/users/${id}/readme`)).bytes
  for (const [name, bytes] of Object.entries(readmes)) {
    const taken = await times(3, async () => {
      const { status, body } = await send(bytes, { path })
      const expected = /^1 MB/.test(name) ? [413, 'body_too_large'] : [422, 'invalid_readme']
      t.strictSame([status, body.code], expected, name)
    })
    const least = Math.min(...taken)
    t.ok(least < usual * 25, `${name}: ${least} ms, where a good one takes ${usual}`)
    t.ok(await serves(), name)
  }
  t.strictSame((await get(`/api/users/${id}/readme`)).bytes, kept, 'the good one is still there')
  t.equal(({} as { polluted?: true }).polluted, undefined)
  await good()
})
