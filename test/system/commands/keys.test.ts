import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { listKeys } from '../../../src/commands/keys.js'
import { openRotation } from '../../../src/commands/rotation.js'
import { bearer, keysSecret, listeningApp, signUp, testApp } from '../../support/app.js'
import type { TestApp } from '../../support/app.js'
import { gatehouse } from '../../support/command-line.js'

const secret = 'nB8vC3xZ6mK1jH4gF7dS0aP9oI2uY5tR'

/** The kid and the state of each key. */
async function states({ config, db }: TestApp) {
  const lines: string[] = []
  await listKeys(openRotation(config, db, keysSecret), (line) => void lines.push(line))
  return lines.slice(1).map((line) => {
    const [kid, , state] = line.split('\t')
    return [kid, state]
  })
}

t.test('keys are listed, rotated now or later, and removed', async (t) => {
  const service = await listeningApp(t, { keyCheckInterval: 20 })
  const { app, url } = service
  const { access_token } = await signUp(app)
  const [[old = '', state] = []] = await states(service)
  t.equal(state, 'signs')

  const first = await gatehouse(url, ['keys', 'rotate'])
  t.match(first, { code: 0, out: /^[\w-]{43} signs from 2\S+Z\n$/, errors: '' })
  const next = first.out.split(' ')[0] ?? ''
  const listed = await gatehouse(url, ['keys', 'list'])
  t.equal(
    listed.out.split('\n')[0],
    'kid\talgorithm\tstate\tpublished\tsigns from\tretired from\tremoved',
  )
  t.match(listed.out, new RegExp(`\n${next}\tES256\tpublished\t2\\S+Z\t2\\S+Z\t\t\n$`))
  t.same(await states(service), [
    [old, 'signs'],
    [next, 'published'],
  ])

  t.match(await gatehouse(url, ['keys', 'rotate', '--now']), { code: 0, out: `${next} signs from` })
  t.same(await states(service), [
    [old, 'verifies'],
    [next, 'signs'],
  ])
  const get = () => app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal((await get()).statusCode, 200)

  t.match(await gatehouse(url, ['keys', 'remove', old]), { code: 0, out: `${old} is removed\n` })
  while ((await get()).statusCode !== 401) await sleep(10)
  t.match(await gatehouse(url, ['keys', 'remove', old]), { code: 1, errors: 'There is no key' })
  const dashed = `-${old.slice(1)}`
  const answer = await gatehouse(url, ['keys', 'remove', dashed])
  t.match(answer, { code: 1, errors: `There is no key ${dashed}` })
})

t.test('a JWT_SECRET is not rotated, and why is said', async (t) => {
  const env = { JWT_ALGORITHM: 'HS256', JWT_SECRET: secret }
  const { url } = await testApp(t, { env })
  const { code, out, errors } = await gatehouse(url, ['keys', 'rotate'], env)
  t.match({ code, out, errors }, { code: 1, out: '', errors: 'The only key is JWT_SECRET' })
  t.notMatch(errors, secret)
})

t.test('with another KEYS_SECRET nothing is added that no instance could open', async (t) => {
  const service = await testApp(t)
  const before = await states(service)
  const other = `${keysSecret}-another`
  const rotated = await gatehouse(service.url, ['keys', 'rotate'], { KEYS_SECRET: other })
  t.match(rotated, { code: 1, errors: 'was sealed with another KEYS_SECRET' })
  const rotation = openRotation(service.config, service.db, other)
  await t.rejects(rotation.remove(before[0]?.[0] ?? ''), /another KEYS_SECRET/)
  t.same(await states(service), before)
})

t.test('the help says what a removal ends', async (t) => {
  const { out } = await gatehouse('', ['keys', 'remove', '--help'])
  t.match(out.replace(/\s+/g, ' '), 'Sessions whose refresh token belongs to another key continue')
})
