import { readFileSync } from 'node:fs'
import t from 'tap'
import { listeningApp } from '../support/app.js'
import { exchange, toBytes } from '../support/http/connection.js'
import { proxyServers } from '../support/proxy-servers.js'
import { freePort } from '../support/server-process.js'

const page = readFileSync(new URL('../../docs/deployment.md', import.meta.url), 'utf8')

type Change = [from: string, to: string]

/** The first block of a language in docs/deployment.md, with the changes of a test; each must apply. */
function block(language: string, changes: Change[]): string {
  const [, text] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(page) ?? []
  if (text === undefined) throw new Error(`docs/deployment.md has no ${language}`)
  return changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`${language}: no ${from}`)
    return changed.replace(from, to)
  }, text)
}

const configs: Record<keyof typeof proxyServers, (port: number) => [string, Change[]]> = {
  caddy: (port) => ['caddy', [['auth.example.org {', `http://:${port} {`]]],
  nginx: (port) => [
    'nginx',
    [
      ['upstream', 'events {}\nhttp {\nupstream'],
      ['listen 443 ssl;', `listen 127.0.0.1:${port};`],
    ],
  ],
  haproxy: (port) => [
    'haproxy',
    [
      [':443 ssl crt /etc/haproxy/auth.example.org.pem', `127.0.0.1:${port}`],
      ['X-Forwarded-Proto https', 'X-Forwarded-Proto http'],
    ],
  ],
  apache: (port) => ['apache', [['*:443', `127.0.0.1:${port}`]]],
}

const uuid = /^[0-9a-f-]{32,36}$/

for (const [name, start] of Object.entries(proxyServers)) {
  t.test(`${name}: the client is known to Gatehouse, and forges nothing`, async (t) => {
    const lines: { req?: { ip: string; path: string }; reqId?: string }[] = []
    const logTo = { write: (line: string) => void lines.push(JSON.parse(line)) }
    const { origin } = await listeningApp(t, { env: { LOG_LEVEL: 'debug' }, logTo })
    const port = await freePort()
    const [language, changes] = configs[name as keyof typeof configs](port)
    const end = language === 'nginx' ? '}' : ''
    const config = block(language, [...changes, ['gatehouse:3000', new URL(origin).host]])
    await start(t, port, config + end)
    const request = {
      target: '/nowhere',
      basics: [`Host: 127.0.0.1:${port}`, 'Connection: close'],
      headers: ['X-Forwarded-For: 9.9.9.9', 'X-Request-Id: forged'],
    }
    const { answers } = await exchange(`http://127.0.0.1:${port}`, toBytes(request))
    t.equal(answers[0]?.status, 404)
    t.match(answers[0]?.headers['x-request-id'], uuid)
    const line = lines.find(({ req }) => req?.path === '/nowhere')
    t.equal(line?.req?.ip, '127.0.0.1')
    t.equal(line?.reqId, answers[0]?.headers['x-request-id'])
  })
}
