import t from 'tap'
import { bearer, signUp, testApp } from '../support/app.js'
import { until } from '../support/until.js'
import { commandsOn } from '../support/program.js'

t.test('a key is added, listed and revoked on the command line', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  await signUp(service.app)
  const added = await run(['api-keys', 'add', 'ada@example.org', 'backup', '--role', 'user'])
  t.match(added, { code: 0, errors: '' })
  t.match(added.out, /^gatehouse_[0-9A-Za-z]{38}$/)
  const ask = () => service.app.inject({ url: '/api/user', headers: bearer(added.out) })
  t.equal((await ask()).statusCode, 200)

  const list = (await run(['api-keys', 'list', 'ada@example.org'])).out.split('\n')
  t.equal(list[0], 'id\tname\troles\tcreated\texpires\tlast used')
  const [id = '', ...cells] = (list[1] ?? '').split('\t')
  t.match(cells, ['backup', 'user', /Z$/, /Z$/, /Z$/])
  const json = JSON.parse((await run(['api-keys', 'list', 'ada@example.org', '--json'])).out)
  t.match(json, [{ id, name: 'backup', roles: ['user'] }])

  t.same(await run(['api-keys', 'revoke', id]), { code: 0, out: `${id} revoked`, errors: '' })
  await until(async () => (await ask()).statusCode === 401, 'the key is refused')
  const again = await run(['api-keys', 'revoke', id])
  t.same(again, { code: 1, out: '', errors: `There is no API key ${id}.` })
})

t.test('the command line says what is wrong with a key', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  await signUp(service.app)
  const add = (...args: string[]) => run(['api-keys', 'add', ...args])
  t.match(await add('bob', 'backup'), { code: 1, errors: /There is no user bob/ })
  t.match(await add('ada@example.org', 'backup', '--role', 'admin'), {
    code: 1,
    errors: /[Rr]oles must be roles that the user has/,
  })
  t.match(await add('ada@example.org', 'two\nlines'), { code: 1, errors: /one line/ })
  t.match(await add('ada@example.org', 'backup', '--days', '366'), { code: 1, errors: /1 to 365/ })
})
