import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { logInByCode, offersCodes } from '../../src/commands/device-login.js'
import { createUserCodes } from '../../src/features/device-logins/user-codes.js'
import { bearer, keysSecret, listeningApp } from '../support/app.js'
import { gatehouse } from '../support/command-line.js'
import { actorOn, deviceLoginsOf, passForCodes } from '../support/device-logins.js'
import { until } from '../support/until.js'

type Pair = { access_token: string }

/** A person who logs in by a code. Time passes where the command waits; then `steps` happen, one each time. */
async function start(t: Test) {
  const service = await listeningApp(t)
  const logins = await deviceLoginsOf(service)
  const actor = await actorOn(service)
  const said: string[] = []
  const waits: number[] = []
  const steps: (() => Promise<unknown>)[] = []
  let now = 0
  const around = {
    say: (line: string) => void said.push(line),
    draw: async (url: string) => `QR of ${url}`,
    now: () => now,
    sleep: async (ms: number) => {
      now += ms
      waits.push(ms / 1_000)
      await passForCodes(service, ms / 1_000)
      await steps.shift()?.()
    },
  }
  const codeIn = (text: string) => /[B-Z]{4}-[B-Z]{4}/.exec(text)?.[0] ?? ''
  const find = () => logins.find(actor, codeIn(said.join('\n')))
  const approve = async () => logins.approve(actor, (await find()).confirmation)
  const deny = async () => logins.deny(actor, (await find()).confirmation)
  const run = () => logInByCode<Pair>(service.origin, around)
  return { ...service, logins, actor, said, waits, steps, around, codeIn, approve, deny, run }
}

const nothing = async () => undefined

t.test('the command tells the code, waits for the approval and gets the tokens', async (t) => {
  const { app, origin, said, waits, steps, approve, run } = await start(t)
  t.ok(await offersCodes(origin))
  steps.push(nothing, nothing, approve)
  const { access_token } = await run()
  const answer = await app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal(answer.statusCode, 200)
  t.strictSame(waits, [5, 5, 5])
  t.match(said, [
    /^Open http:\/\/localhost:3000\/device in a browser, and enter [B-Z]{4}-[B-Z]{4}$/,
    /^QR of http:\/\/localhost:3000\/device\?user_code=[B-Z]{4}-[B-Z]{4}$/,
  ])
})

t.test('it waits longer when the server says so', async (t) => {
  const { waits, steps, approve, run, sql } = await start(t)
  const early = () => sql('update device_codes set polled_at = now()')
  steps.push(nothing, early, nothing, early, approve)
  await run()
  t.strictSame(waits, [5, 5, 10, 10, 15])
})

t.test('a denial and the end of the code end it', async (t) => {
  const denied = await start(t)
  denied.steps.push(denied.deny)
  await t.rejects(denied.run(), { exitCode: 4, message: /denied the request/ })
  const late = await start(t)
  await t.rejects(late.run(), { exitCode: 4, message: /code has expired/ })
  t.equal(late.waits.length, 119, 'ten minutes')
  const gone = await start(t)
  gone.steps.push(() => passForCodes(gone, 600))
  await t.rejects(gone.run(), { exitCode: 4, message: /expired/ })
})

t.test('it outlives an outage, and else ends with its error', async (t) => {
  const { db, steps, approve, run, waits } = await start(t)
  const { query } = db
  const fail = async () => {
    db.query = () => Promise.reject(new Error('down'))
  }
  steps.push(fail, async () => {
    db.query = query
    await approve()
  })
  t.match(await run(), { access_token: /./ })
  t.strictSame(waits, [5, 10])
  const dead = await start(t)
  dead.steps.push(() => dead.app.close())
  await t.rejects(dead.run(), { exitCode: 5, message: /does not answer/ })
  await t.rejects(offersCodes(dead.origin), {
    exitCode: 5,
    message: /does not answer/,
  })
})

t.test('without a user `gatehouse login` shows a code, and stores what it gets', async (t) => {
  const { origin, logins, actor, sql } = await start(t)
  const folder = t.testdir()
  const env = { XDG_CONFIG_HOME: folder }
  const running = gatehouse('', ['login', origin], env)
  await until(async () => (await sql('select from device_codes')).length === 1, 'the codes')
  // Only the person at the terminal reads the code, so the test puts one of its own in its place.
  await sql('update device_codes set user_hash = $1', [
    createUserCodes(keysSecret).hash('WDJBMJHT'),
  ])
  await logins.approve(actor, (await logins.find(actor, 'WDJB-MJHT')).confirmation)
  const done = await running
  t.match(done, { code: 0, out: `Logged in to ${origin}\n` })
  t.match(done.errors, /^Open http:\/\/localhost:3000\/device in a browser, and enter /)
  const stored = JSON.parse(await readFile(join(folder, 'gatehouse', 'login.json'), 'utf8'))
  t.match(stored, { url: origin, refresh_token: /./ })
})
