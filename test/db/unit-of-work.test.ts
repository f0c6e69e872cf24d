import t from 'tap'
import { lazily, type UnitOfWork } from '../../src/db/unit-of-work.js'

t.test('a value is made when it is first read, and once', async (t) => {
  const made: string[] = []
  const make = (name: string) => () => {
    made.push(name)
    return { name }
  }
  const values = lazily({ users: make('users'), audit: make('audit') })
  t.same(made, [])
  t.equal(values.users, values.users)
  t.same(made, ['users'])
  t.same({ ...values }, { users: { name: 'users' }, audit: { name: 'audit' } })
  t.same(made, ['users', 'audit'])
  t.equal(await Promise.resolve(values), values, 'it is no promise')
})

t.test('a store of many repositories serves a service that names few', async (t) => {
  const repositories = { users: { get: () => 'ada', delete: () => true }, audit: { add: () => 1 } }
  const store: UnitOfWork<typeof repositories> = {
    ...repositories,
    transaction: (work) => work(repositories),
  }
  const narrow: UnitOfWork<{ users: { get: () => string } }> = store
  t.equal(await narrow.transaction(async (tx) => tx.users.get()), 'ada')
})
