import t from 'tap'
import { anyOf, kinds, new_password, otherOf, proving } from '../../support/proofs.js'
import { anAddress, openidPerson, password } from '../../support/social/people.js'

const { service: start, mail, post, logIn, untilSent, messageOf, account, ask } = await proving(t)
const off = await start('off')
const required = await start('required')

for (const [mode, service] of Object.entries({ off, required })) {
  for (const kind of kinds) {
    t.test(
      `ACTIVATION=${mode}: a stranger’s ${kind} in one’s account is the stranger’s`,
      async (t) => {
        const other = otherOf[kind]
        const [victim, trojan] = [anyOf[kind](), anyOf[other]()]
        const registered = { [kind]: victim, [other]: trojan, password }
        t.equal((await post(service, '/api/register', registered)).status, 201)
        const proof = await ask(service, '/api/activate/resend', other, trojan, /Confirm|Activate/)
        t.equal((await post(service, '/api/activate', { token: proof.token })).status, 200)
        const attacker = (await logIn(service, other, trojan)).body

        const told = await ask(service, '/api/password/forgot', kind, victim, /not confirmed|Reset/)
        t.same([told.token, told.code], ['', ''], 'no reset of the attacker’s account')
        const again = await post(service, '/api/register', { [kind]: victim, password })
        t.equal(again.status, mode === 'off' ? 409 : 201)
        const { token } = await messageOf(kind, victim, /Choose a password/)
        // The attacker cannot keep the victim from it by changing a password.
        const change = { old_password: password, new_password: 'another horse battery' }
        const changed = await service.call(
          'POST',
          '/api/user/password',
          change,
          attacker.access_token,
        )
        t.equal(changed.status, 200)
        const resets = await Promise.all(
          Array.from({ length: 10 }, () =>
            post(service, '/api/password/reset', { token, new_password }),
          ),
        )
        const statuses = resets.map(({ status }) => status)
        t.equal(statuses.filter((status) => status === 200).length, 1)
        t.same(
          statuses.filter((status) => ![200, 400, 503].includes(status)),
          [],
        )

        const own = await logIn(service, kind, victim, new_password)
        t.equal(own.status, 200)
        t.not(own.body.user.id, attacker.user.id)
        t.match(own.body.user, { [kind]: victim, [`${kind}_verified`]: true, [other]: null })
        const left = await logIn(service, other, trojan, change.new_password)
        t.match(left.body.user, { id: attacker.user.id, [kind]: null, [other]: trojan })
        await messageOf(other, trojan, /An address was removed/)

        // And back: what the attacker proved opens nothing of the victim's.
        const back = await ask(service, '/api/password/forgot', other, trojan, /Reset/)
        const mine = { token: back.token, new_password: 'an attacking horse' }
        t.equal((await post(service, '/api/password/reset', mine)).status, 200)
        t.equal((await logIn(service, kind, victim, mine.new_password)).status, 401)
        t.equal((await logIn(service, kind, victim, new_password)).status, 200)
      },
    )

    t.test(`ACTIVATION=${mode}: a reset by ${kind} leaves nothing unproven behind`, async (t) => {
      const other = otherOf[kind]
      const [victim, trojan] = [anyOf[kind](), anyOf[other]()]
      await post(service, '/api/register', { [kind]: victim, [other]: trojan, password })
      // Careless, the victim activates what the attacker registered.
      const proof = await ask(service, '/api/activate/resend', kind, victim, /Confirm|Activate/)
      await post(service, '/api/activate', { token: proof.token })
      const attacker = (await logIn(service, other, trojan)).body
      await post(service, '/api/password/forgot', { [other]: trojan })
      const { token } = await ask(service, '/api/password/forgot', kind, victim, /Reset/)
      t.equal((await post(service, '/api/password/reset', { token, new_password })).status, 200)

      const own = await logIn(service, kind, victim, new_password)
      t.match(own.body.user, { id: attacker.user.id, [other]: null })
      t.notOk(await service.isAlive(attacker.access_token))
      t.equal((await logIn(service, other, trojan, new_password)).status, 401)
      await post(service, '/api/password/forgot', { [other]: trojan })
      await untilSent(service)
      const codes = `select from one_time_codes where user_id = $1 and kind = $2`
      t.same(await service.sql(codes, [own.body.user.id, other]), [])
    })
  }
}

t.test('a code is no proof any more once the other address was proven', async (t) => {
  const before = await account(off, [])
  const { token } = await ask(off, '/api/password/forgot', 'email', before.email, /Reset/)
  await off.sql('update users set mobile_verified_at = now() where id = $1', [before.id])
  const reset = await post(off, '/api/password/reset', { token, new_password })
  t.match(reset, { status: 400, body: { code: 'invalid_code' } })
  t.equal((await logIn(off, 'email', before.email)).status, 200)
})

t.test('a code is no proof any more once somebody else has the address', async (t) => {
  const [before, next] = [await account(off, []), await account(off, [])]
  const { token } = await ask(off, '/api/password/forgot', 'email', before.email, /Reset/)
  const move = 'update users set email = $2, email_canonical = $2 where id = $1'
  await off.sql(move, [before.id, null])
  await off.sql(move, [next.id, before.email])
  const reset = await post(off, '/api/password/reset', { token, new_password })
  t.match(reset, { status: 400, body: { code: 'invalid_code' } })
  t.equal((await logIn(off, 'mobile', before.mobile)).status, 200)
})

t.test('a claim is void once its address is proven, or the account disabled', async (t) => {
  for (const column of ['email_verified_at', 'disabled_at']) {
    const before = await account(off, ['mobile'])
    await post(off, '/api/register', { email: before.email, password })
    const { token } = await messageOf('email', before.email, /Choose a password/)
    await off.sql(`update users set ${column} = now() where id = $1`, [before.id])
    const reset = await post(off, '/api/password/reset', { token, new_password })
    t.match(reset, { status: 400, body: { code: 'invalid_code' } }, column)
    const owners = await off.sql('select id from users where email = $1', [before.email])
    t.same(owners, [{ id: before.id }])
  }
})

t.test(
  'a login that was connected before the first proof dies with a reset, later ones stay',
  async (t) => {
    const visitor = off.browser()
    const [email, early] = [anAddress(), openidPerson()]
    await visitor.signIn('oidc', { ...early, email, email_verified: false })
    const { id } = await off.userOf(visitor.cookie('session'))
    const reset = async () => {
      const { token } = await ask(off, '/api/password/forgot', 'email', email, /Reset/)
      t.equal((await post(off, '/api/password/reset', { token, new_password })).status, 200)
      return (await off.standingOf(id)).identities
    }
    const { token } = await ask(off, '/api/activate/resend', 'email', email, /Confirm/)
    await post(off, '/api/activate', { token })
    t.equal((await off.standingOf(id)).identities, 1)
    t.equal(await reset(), 0)
    const again = off.browser()
    await again.signIn('oidc', { ...early, email })
    t.equal((await off.userOf(again.cookie('session'))).id, id)
    const { access_token } = (await logIn(off, 'email', email, new_password)).body
    const next = anAddress()
    await off.call('PATCH', '/api/user', { email: next }, access_token)
    const confirmed = await messageOf('email', next, /Confirm/)
    await post(off, '/api/user/confirm', { token: confirmed.token })
    const last = await ask(off, '/api/password/forgot', 'email', next, /Reset/)
    await post(off, '/api/password/reset', { token: last.token, new_password })
    t.equal((await off.standingOf(id)).identities, 1, 'also after a change of address')
  },
)

t.test('an address is written to only where no other one of the account was proven', async (t) => {
  const before = await account(off, ['mobile'])
  const { access_token } = (await logIn(off, 'email', before.email)).body
  const change = { old_password: password, new_password }
  await off.call('POST', '/api/user/password', change, access_token)
  await messageOf('mobile', before.mobile, /password was changed/)
  const admin = await account(off, ['email'])
  await off.sql(`insert into user_roles values ($1, 'admin')`, [admin.id])
  const login = (await logIn(off, 'email', admin.email)).body
  const path = `/api/users/${before.id}/password/reset`
  t.equal((await off.call('POST', path, undefined, login.access_token)).status, 200)
  const { token } = await messageOf('mobile', before.mobile, /Choose a password/)
  t.equal((await post(off, '/api/password/reset', { token, new_password })).status, 200)
  t.notOk(mail.mails.some(({ to }) => to === before.email))
})
