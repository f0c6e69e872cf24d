import { pino } from 'pino'
import t from 'tap'
import { operator } from '../../../src/http/caller.js'
import { createServices } from '../../../src/services/services.js'
import { until } from '../../support/until.js'
import { bearer, keysSecret, signUp, testApp } from '../../support/app.js'

t.test(
  'a daily job runs for a month: each mail leads to another key, and no run fails',
  async (t) => {
    const service = await testApp(t)
    const { app, config, db, sql } = service
    const { user } = await signUp(app)
    const log = pino({ level: 'silent' })
    const instance = () => createServices(config, { db, listenUrl: '', keysSecret, log })
    const { apiKeys } = await instance()
    const make = () =>
      apiKeys.add(operator, user.id, { name: 'job', roles: ['user'], expires_in_days: 10 })
    const mails = async () =>
      (await sql(`select from outbox where message = 'api_key_expires'`)).length

    let current = await make()
    let answered = 0
    for (let day = 1; day <= 31; day += 1) {
      await sql(
        `update api_keys set created_at = created_at - interval '1 day',
         expires_at = expires_at - interval '1 day', warn_at = warn_at - interval '1 day'`,
      )
      await apiKeys.warnOwners()
      if ((await mails()) > answered) {
        answered += 1
        const old = current
        current = await make()
        await run(old.key, day)
        await run(current.key, day)
        await apiKeys.remove(operator, old.api_key.id)
        await until(async () => (await ask(old.key)).statusCode === 401, 'the old key is refused')
      }
      await run(current.key, day)
      t.equal(await mails(), answered, `day ${day}: a mail for each key, and one alone`)
    }
    t.ok(answered >= 7, `${answered} mails`)
    const left = await sql('select from api_keys')
    t.equal(left.length, 1)

    async function run(key: string, day: number): Promise<void> {
      // An instance that has just started, so that it answers nothing from memory.
      const { findLiveKey } = await instance()
      const found = await findLiveKey(key, '192.0.2.1')
      t.same(found.claims.roles, ['user'], `day ${day}`)
      t.equal((await ask(key)).statusCode, 200, `day ${day}`)
    }

    function ask(key: string) {
      return app.inject({ url: '/api/user', headers: bearer(key) })
    }
  },
)
