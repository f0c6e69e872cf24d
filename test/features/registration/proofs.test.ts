import t from 'tap'
import { kinds, new_password, otherOf, proving, type Kind } from '../../support/proofs.js'
import type { SocialApp } from '../../support/social/app.js'
import { anAddress, openidPerson, password } from '../../support/social/people.js'

const { service, post, logIn, untilSent, messageOf, account, ask } = await proving(t)
const off = await service('off')

/** What became of the account, and who has the address now, as whom. */
async function outcomeOf(
  service: SocialApp,
  kind: Kind,
  before: { id: string } & Record<Kind, string>,
) {
  const [row] = await service.sql(
    `select email, mobile, email_verified_at is not null as email_verified,
       mobile_verified_at is not null as mobile_verified from users where id = $1`,
    [before.id],
  )
  const show = (one: Kind) =>
    row?.[one] === null ? 'gone' : row?.[`${one}_verified`] ? 'proven' : 'unproven'
  const owners = await service.sql<{ id: string; proven: boolean }>(
    `select id, ${kind}_verified_at is not null as proven from users where ${kind} = $1`,
    [before[kind]],
  )
  t.equal(owners.length, 1, 'one account has the address')
  const owner = owners[0]?.id === before.id ? 'same account' : 'another account'
  return [owner, show(kind), `other ${show(otherOf[kind])}`].join(', ')
}

const acts = {
  async reset(service: SocialApp, kind: Kind, address: string) {
    const message = await ask(service, '/api/password/forgot', kind, address, /Reset|not confirmed/)
    if (!message.token) return 'no code'
    const proof = { token: message.token, new_password }
    return (await post(service, '/api/password/reset', proof)).status
  },
  async activate(service: SocialApp, kind: Kind, address: string) {
    await post(service, '/api/activate/resend', { [kind]: address })
    await untilSent(service)
    const found = await service.sql(
      `select id from one_time_codes where purpose = 'activation' and address = $1`,
      [address],
    )
    if (found.length === 0) return 'no code'
    const { token } = await messageOf(kind, address, /Confirm/)
    return (await post(service, '/api/activate', { token })).status
  },
  async confirm(service: SocialApp, kind: Kind, address: string) {
    const mine = await account(service, [otherOf[kind]])
    const { access_token } = (await logIn(service, 'email', mine.email)).body
    await service.call('PATCH', '/api/user', { [kind]: address }, access_token)
    const message = await messageOf(kind, address, /Confirm|already have/)
    if (!message.token) return 'no code'
    return (await post(service, '/api/user/confirm', { token: message.token })).status
  },
  async social(service: SocialApp, _kind: Kind, address: string) {
    return (await service.browser().signIn('oidc', openidPerson(address))).status
  },
}

/** For each act and state of the address: its answer, and what becomes of the account that had it. */
const table: Record<
  keyof typeof acts,
  Record<string, [answer: string | number, outcome: string]>
> = {
  reset: {
    'proven, as the other': [200, 'same account, proven, other proven'],
    'proven, the other not': [200, 'same account, proven, other gone'],
    'unproven, as the other': [200, 'same account, proven, other gone'],
    'unproven, the other proven': ['no code', 'same account, unproven, other proven'],
  },
  activate: {
    'proven, as the other': ['no code', 'same account, proven, other proven'],
    'proven, the other not': ['no code', 'same account, proven, other unproven'],
    'unproven, as the other': [200, 'same account, proven, other unproven'],
    'unproven, the other proven': [200, 'same account, proven, other proven'],
  },
  confirm: {
    'proven, as the other': ['no code', 'same account, proven, other proven'],
    'proven, the other not': ['no code', 'same account, proven, other unproven'],
    'unproven, as the other': [200, 'another account, gone, other unproven'],
    'unproven, the other proven': [200, 'another account, gone, other proven'],
  },
  social: {
    'proven, as the other': [303, 'same account, proven, other proven'],
    'proven, the other not': [303, 'same account, proven, other unproven'],
    'unproven, as the other': [303, 'same account, proven, other gone'],
    'unproven, the other proven': [303, 'another account, gone, other proven'],
  },
}

for (const [name, act] of Object.entries(acts)) {
  for (const kind of name === 'social' ? (['email'] as const) : kinds) {
    for (const [state, expected] of Object.entries(table[name as keyof typeof acts])) {
      t.test(`${name} by an ${kind} that is ${state}`, async (t) => {
        const proven = [
          ...(state.startsWith('proven') ? [kind] : []),
          ...(/^proven, as|other proven/.test(state) ? [otherOf[kind]] : []),
        ]
        const before = await account(off, proven)
        const answer = await act(off, kind, before[kind])
        t.strictSame([answer, await outcomeOf(off, kind, before)], expected)
      })
    }
  }
}

t.test(
  'who has nothing but the address of somebody else keeps the account without it',
  async (t) => {
    const email = anAddress()
    await post(off, '/api/register', { email, password })
    const squatter = (await logIn(off, 'email', email)).body
    await ask(off, '/api/password/forgot', 'email', email, /Reset/)
    t.equal(await acts.confirm(off, 'email', email), 200)
    const codes = 'select from one_time_codes where user_id = $1'
    t.same(await off.sql(codes, [squatter.user.id]), [], 'what was sent to it is dead')
    const { body } = await off.call('GET', '/api/user', undefined, squatter.access_token)
    t.match(body.user, { email: null, mobile: null, username: /^user-[0-9a-f-]{36}$/ })
    t.equal((await post(off, '/api/login', { username: body.user.username, password })).status, 200)
  },
)

t.test('a disabled account keeps its address', async (t) => {
  const before = await account(off, [])
  const mine = await account(off, ['mobile'])
  const { access_token } = (await logIn(off, 'mobile', mine.mobile)).body
  await off.call('PATCH', '/api/user', { email: before.email }, access_token)
  const { token } = await messageOf('email', before.email, /Confirm/)
  await off.sql('update users set disabled_at = now() where id = $1', [before.id])
  t.equal(await acts.confirm(off, 'email', before.email), 'no code')
  t.equal((await post(off, '/api/user/confirm', { token })).status, 409, 'a code of before')
  t.equal(await outcomeOf(off, 'email', before), 'same account, unproven, other unproven')
})

t.test('of twenty who prove one address at once, one has it', async (t) => {
  for (const isHeld of [true, false]) {
    const email = anAddress()
    const held =
      isHeld && (await post(off, '/api/register', { email, username: `u${Date.now()}`, password }))
    const everyone: Awaited<ReturnType<typeof account>>[] = []
    while (everyone.length < 20) {
      const mine = await account(off, ['mobile'])
      const { access_token } = (await logIn(off, 'mobile', mine.mobile)).body
      await off.call('PATCH', '/api/user', { email }, access_token)
      everyone.push(mine)
    }
    const tokens: string[] = []
    while (tokens.length < everyone.length) {
      tokens.push((await messageOf('email', email, /Confirm/)).token)
    }
    const answers = await Promise.all(
      tokens.map((token) => post(off, '/api/user/confirm', { token })),
    )
    const statuses = answers.map(({ status }) => status)
    t.equal(statuses.filter((status) => status === 200).length, 1)
    // A busy database may answer 503; whoever asks again then hears 409.
    t.same(
      statuses.filter((status) => ![200, 409, 503].includes(status)),
      [],
    )
    const owners = await off.sql<{ id: string; email_verified: boolean }>(
      'select id, email_verified_at is not null as email_verified from users where email = $1',
      [email],
    )
    t.match(owners, [{ email_verified: true }])
    t.equal(owners.length, 1)
    if (held) t.not(owners[0]?.id, held.body.user.id)
  }
})
