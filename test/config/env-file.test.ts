import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { addEnvFile } from '../../src/config/env-file.js'

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-env-'))
const file = join(folder, '.env')

/** The environment after the file was added, and the faults of the file. */
function read(text: string, env: Record<string, string | undefined> = {}) {
  writeFileSync(file, text)
  const faults = addEnvFile(env, file).map((fault) => fault.replace(`${file} `, ''))
  return { env, faults }
}

t.test('without a file nothing changes', (t) => {
  const env = { PORT: '1' }
  t.same(addEnvFile(env, join(folder, 'missing')), [])
  t.same(env, { PORT: '1' })
  t.end()
})

t.test('the environment wins over the file, even if it is empty', (t) => {
  const { env, faults } = read('PORT=4000\nHOST=0.0.0.0\nAPP_NAME=Acme\n', { PORT: '1', HOST: '' })
  t.same(env, { PORT: '1', HOST: '', APP_NAME: 'Acme' })
  t.same(faults, [])
  t.end()
})

t.test('a secret in the environment wins over its other form in the file', (t) => {
  t.same(read('KEYS_SECRET=a', { KEYS_SECRET_FILE: '/b' }).env, { KEYS_SECRET_FILE: '/b' })
  t.same(read('KEYS_SECRET_FILE=/b', { KEYS_SECRET: 'a' }).env, { KEYS_SECRET: 'a' })
  t.same(read('KEYS_SECRET_FILE=/b\nKEYS_SECRET=a').env, {
    KEYS_SECRET: 'a',
    KEYS_SECRET_FILE: '/b',
  })
  t.end()
})

t.test('a byte order mark, comments, quotes, several lines and Windows line ends are read', (t) => {
  const text =
    '\uFEFFHOST=::1\r\n# comment\r\nexport PORT=4000 # why\r\n\r\nAPP_NAME="Acme # 1"\r\nOIDC_NAME=\'a\nb\'\n'
  const { env, faults } = read(text)
  t.match(env, { HOST: '::1', PORT: '4000', APP_NAME: 'Acme # 1', OIDC_NAME: 'a\nb' })
  t.same(faults, [])
  t.end()
})

t.test('a fault has its line, and shows nothing of it', (t) => {
  const text = 'PORT=1\nhunter2 is here\n\nAPP_NAME="open\nHOST=x\n=hunter2\n2FA=x'
  t.same(read(text).faults, [
    'line 2 must be NAME=value, or begin with #',
    'line 4 has a quote " that is never closed',
    'line 6 must be NAME=value, or begin with #',
    'line 7 must be NAME=value, or begin with #',
  ])
  t.end()
})

t.test('a file that cannot be read is a fault', (t) => {
  t.match(addEnvFile({}, folder), [/cannot be read \(EISDIR\): check that it is a file/])
  if (process.getuid?.() !== 0) {
    read('PORT=1')
    chmodSync(file, 0)
    t.match(addEnvFile({}, file), [/cannot be read \(EACCES\)/])
  }
  t.end()
})
