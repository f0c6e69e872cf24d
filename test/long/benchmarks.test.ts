import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { keysSecret } from '../support/app.js'
import { testDatabase } from '../support/database.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

// A benchmark that no longer runs is found here, and not by the next who needs a figure.
for (const [name, ...args] of [
  ['refresh', '1'],
  ['logout', '1'],
  ['verify', '1'],
  ['memory', '--limit=256'],
  ['denylist', '1000'],
  ['revocations', '100', '1'],
  ['scale', '1000', '2000'],
  ['import', '1000'],
  ['upgrade', '1000', '5000'],
  ['peers', 'start', '--rounds=1', '--peers=gatehouse'],
] as const) {
  t.test(`bench/${name}.js prints a table`, { timeout: 300_000 }, async (t) => {
    const { PATH = '' } = process.env
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import=tsx', `bench/${name}.js`, ...args],
      {
        cwd: root,
        env: { PATH, DATABASE_URL: await testDatabase(t), KEYS_SECRET: keysSecret },
      },
    )
    t.match(stdout, /^\|---\|/m)
    t.notMatch(stdout, 'NaN')
  })
}
