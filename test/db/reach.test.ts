import t from 'tap'
import pg from 'pg'
import { retryWhileUnreachable } from '../../src/db/reach.js'

const url = 'postgres://ada:hunter2@db:5433/gatehouse'
const refused = Object.assign(new Error('connect ECONNREFUSED'), {
  code: 'ECONNREFUSED',
  syscall: 'connect',
})

/** Runs `work` on a clock that jumps: how long it took, and the lines that it logged. */
async function run(work: () => Promise<unknown>, tryTakes = 0) {
  let now = 0
  const waits: object[] = []
  const clock = {
    monotonic: () => now,
    sleep: async (ms: number) => void (now += ms),
  }
  const log = { warn: (line: object, message: string) => void waits.push({ ...line, message }) }
  const result = await retryWhileUnreachable(
    () => {
      now += tryTakes
      return work()
    },
    { url, clock, log },
  ).catch((error: unknown) => error)
  return { result, waits, now }
}

t.test('a database that does not answer is tried for 30 seconds, with a line a try', async (t) => {
  const { result, waits, now } = await run(() => Promise.reject(refused))
  t.equal(result, refused)
  t.equal(now, 30_000)
  t.same(
    waits.map((line) => (line as { retry_in_ms: number }).retry_in_ms),
    [500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 2_500],
  )
  t.match(waits[0], {
    code: 'ECONNREFUSED',
    address: 'db:5433',
    retry_in_ms: 500,
    gives_up_in_ms: 30_000,
    message: 'database does not answer, retrying',
  })
  t.notMatch(JSON.stringify(waits), 'hunter2')
  const slow = await run(() => Promise.reject(refused), 5_000)
  t.ok(slow.now <= 35_000, 'a try that takes long counts')
})

t.test(
  'a try says what is wrong: the name, the program that listens, or the database',
  async (t) => {
    const unknown = Object.assign(new Error('getaddrinfo ENOTFOUND db'), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
    })
    const other = new Error('Connection terminated unexpectedly')
    const expected = [
      [unknown, { code: 'ENOTFOUND', message: 'host name of the database is unknown, retrying' }],
      [
        other,
        {
          code: undefined,
          reason: other.message,
          message: 'what listens at this address does not speak PostgreSQL, retrying',
        },
      ],
      [refused, { code: 'ECONNREFUSED', message: 'database does not answer, retrying' }],
    ] as const
    for (const [error, line] of expected) {
      const { waits } = await run(() => Promise.reject(error), 0.4)
      t.match(waits[0], line)
      for (const wait of waits as { retry_in_ms: number; gives_up_in_ms: number }[]) {
        t.ok(Number.isInteger(wait.retry_in_ms) && Number.isInteger(wait.gives_up_in_ms))
      }
    }
  },
)

t.test('a database that answers later is used', async (t) => {
  let tries = 0
  const starting = new pg.DatabaseError('the database system is starting up', 0, 'error')
  starting.code = '57P03'
  const timeout = new Error('timeout expired')
  const faults = [starting, timeout, new AggregateError([refused])]
  const { result, waits } = await run(async () => {
    const fault = faults[tries++]
    if (fault) throw fault
    return 'migrated'
  })
  t.equal(result, 'migrated')
  t.equal(waits.length, 3)
})

t.test('an error that time does not heal ends the tries at once', async (t) => {
  for (const code of ['28P01', '3D000', '42P01', '23505']) {
    const error = new pg.DatabaseError('no', 0, 'error')
    error.code = code
    const { result, waits } = await run(() => Promise.reject(error))
    t.equal(result, error)
    t.same(waits, [], code)
  }
})
