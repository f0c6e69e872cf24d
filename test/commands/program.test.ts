import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Command } from 'commander'
import { examplesOf } from '../../src/commands/examples.js'
import { createProgram } from '../../src/commands/program.js'
import { auditEvents } from '../../src/features/audit/schemas.js'
import { signUp, testApp } from '../support/app.js'
import { commandsOn } from '../support/program.js'

const noTools = new Proxy({}, { get: () => () => undefined }) as Parameters<typeof createProgram>[0]

/** Every command that does something. */
const leavesOf = (command: Command): Command[] =>
  command.commands.length > 0 ? command.commands.flatMap(leavesOf) : [command]

t.test('every command has examples that begin with its name', async (t) => {
  const leaves = leavesOf(createProgram(noTools))
  t.ok(leaves.length > 20, `${leaves.length} commands`)
  for (const command of leaves) {
    const group = command.parent?.name() === 'gatehouse' ? '' : `${command.parent?.name()} `
    const name = `gatehouse ${group}${command.name()}`
    const examples = examplesOf(command)
    t.ok(examples.length > 0, name)
    for (const example of examples) t.match(example, name)
  }
})

t.test('every list has --json', async (t) => {
  for (const command of leavesOf(createProgram(noTools))) {
    if (!/list/.test(command.description())) continue
    t.ok(
      command.options.some(({ long }) => long === '--json'),
      command.name(),
    )
  }
})

t.test('the version is that of the package, and help has examples', async (t) => {
  const run = commandsOn(await testApp(t))
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  t.match(await run(['--version']), { code: 0, out: version })
  const { out } = await run(['users', 'list', '--help'])
  t.match(out, 'Examples:\n  gatehouse users list --search @example.org')
})

t.test('arguments that no command takes are refused with a hint', async (t) => {
  const run = commandsOn(await testApp(t))
  t.match(await run(['users', 'lits']), { code: 1, errors: /Did you mean list\?/ })
  t.match(await run(['users', 'show']), { code: 1, errors: /Add --help for the arguments/ })
  t.match(await run(['calibrate', '--target', 'fast']), { code: 1, errors: /whole number from 1/ })
  t.match(await run(['audit', '--event', 'login']), { code: 1, errors: /Allowed choices are/ })
  t.match(await run(['audit', '--before', 'x']), { code: 1, errors: /It must be an id/ })
  t.match(await run(['audit', '--limit', '0']), { code: 1, errors: /from 1 to 10000/ })
})

t.test('the audit log is listed with the filters of the route', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  const { user } = await signUp(service.app)
  await service.app.inject({
    method: 'POST',
    url: '/api/login',
    payload: { email: 'ada@example.org', password: 'wrong' },
  })
  await signUp(service.app, { email: 'bob@example.org', password: 'correct horse battery' })
  const json = async (...args: string[]) =>
    JSON.parse((await run(['audit', '--json', ...args])).out) as { id: string; event: string }[]
  const all = await json()
  t.equal(all.length, 5)
  t.same(await json('--user', 'ada@example.org', '--event', 'login.failed'), [all[2]])
  t.same(await json('--user', user.id), all.slice(2))
  t.same(await json('--limit', '2'), all.slice(0, 2))
  t.same(await json('--before', all[2]?.id ?? ''), all.slice(3))
  const lines = (await run(['audit', '--limit', '1'])).out.split('\n')
  t.equal(lines[0], 'at\tevent\tuser\tactor\taddress\tdetail\tid')
  t.match(lines[1], `\t${all[0]?.event}\t`)
  t.ok(auditEvents.includes('login.failed'))
})

t.test('what is wrong with a client, a key or a user is a sentence', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  t.match(await run(['clients', 'add', 'reports']), { code: 0 })
  await signUp(service.app)
  const refusals: [string[], string][] = [
    [['clients', 'add', 'reports'], 'A client named reports exists already.'],
    [
      ['clients', 'add', 'other', '--role', 'boss'],
      'The role boss does not exist: create it with POST /api/roles.',
    ],
    [['clients', 'remove', 'other'], 'There is no client named other.'],
    [['keys', 'remove', 'x'], 'There is no key x: see gatehouse keys list.'],
    [
      ['create-admin', 'root', 'ada@example.org', 'correct horse battery'],
      'The e-mail address ada@example.org is already used. To make that user an administrator, run "gatehouse users roles ada@example.org --grant admin".',
    ],
    [
      ['create-admin', 'root', 'root@example.org', 'short'],
      'Password must have at least 8 characters.',
    ],
  ]
  for (const [args, errors] of refusals) {
    t.same(await run(args), { code: 1, out: '', errors }, args.join(' '))
  }
  const clients = JSON.parse((await run(['clients', 'list', '--json'])).out)
  t.match(clients, [{ name: 'reports', roles: [] }])
  const columns = ['id', 'name', 'roles', 'created_at', 'redirect_uris', 'is_public']
  t.same(Object.keys(clients[0]), [...columns, 'allows_device', 'attests'])
  const keys = JSON.parse((await run(['keys', 'list', '--json'])).out)
  t.match(keys, [{ algorithm: 'ES256', state: 'signs', retires_at: null, removed_at: null }])
})

t.test('doctor reports each check as JSON', async (t) => {
  const run = commandsOn(await testApp(t))
  const findings = JSON.parse((await run(['doctor', '--json'])).out)
  t.match(findings[0], { name: 'PostgreSQL', state: 'ok' })
})
