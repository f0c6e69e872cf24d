import t from 'tap'
import { testApp } from '../../support/app.js'
import { rounds } from '../../support/rounds.js'
import { createAdmin, createClient, type Client, type Reply } from '../../support/http/client.js'

let changes = 0
const acts = {
  remove: (by: Client, { id }: Client) => by.send('DELETE', `/api/users/${id}`),
  disable: (by: Client, { id }: Client) => by.send('POST', `/api/users/${id}/disable`),
  reset: (by: Client, { id }: Client) => by.send('POST', `/api/users/${id}/password/reset`),
  endSessions: (by: Client, { id }: Client) => by.send('DELETE', `/api/users/${id}/sessions`),
  grant: (by: Client, { id }: Client) => by.send('POST', `/api/users/${id}/roles/admin`),
  move: (by: Client, { id }: Client) =>
    by.send('PATCH', `/api/users/${id}`, { email: `moved-${++changes}@example.org` }),
}
type Act = keyof typeof acts

const pairs: [one: Act, other: Act][] = [
  ['remove', 'reset'],
  ['remove', 'disable'],
  ['remove', 'move'],
  ['remove', 'endSessions'],
  ['remove', 'grant'],
  ['disable', 'reset'],
]

const isAnswer = ({ status }: Reply) => status < 500

t.test('two administrators who change the same user at once both get an answer', async (t) => {
  const service = await testApp(t)
  const [ada, grace] = [await createAdmin(service), await createAdmin(service)]
  for (const [one, other] of pairs) {
    for (let round = 0; round < rounds(30); round += 1) {
      const user = await createClient(service)
      const replies = await Promise.all([acts[one](ada, user), acts[other](grace, user)])
      const said = replies.map(({ status, code }) => code ?? status).join()
      t.ok(replies.every(isAnswer), `${one}, ${other}: ${said}`)
    }
  }
})

t.test('a role can be deleted while those who have it are', async (t) => {
  const service = await testApp(t)
  const [ada, grace] = [await createAdmin(service), await createAdmin(service)]
  for (let round = 0; round < rounds(30); round += 1) {
    await ada.send('POST', '/api/roles', { name: 'editor' })
    const users = [await createClient(service), await createClient(service)]
    for (const { id } of users) await ada.send('POST', `/api/users/${id}/roles/editor`)
    const replies = await Promise.all([
      grace.send('DELETE', '/api/roles/editor'),
      ...users.map((user) => acts.remove(ada, user)),
    ])
    t.ok(replies.every(isAnswer), replies.map(({ status, code }) => code ?? status).join())
  }
})
