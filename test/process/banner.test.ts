import { resolve } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/load.js'
import { bannerOf } from '../../src/process/banner.js'

const address = 'http://127.0.0.1:3000'

t.test('every link of the banner has the host of PUBLIC_URL', (t) => {
  const banner = bannerOf(loadConfig({}), address)
  t.match(banner, 'is ready: http://localhost:3000\n')
  t.match(banner, 'http://localhost:3000/login')
  t.match(banner, 'http://localhost:3000/docs')
  t.match(banner, `${resolve('.gatehouse')} (its own PostgreSQL)`)
  t.match(banner, 'messages are printed in this log')
  t.match(banner, 'http://localhost:3000/dev/mail shows them')
  t.match(banner, 'npx gatehouse create-admin USERNAME EMAIL')
  t.notMatch(banner, '127.0.0.1')
  t.end()
})

t.test('behind a proxy it also says where the service listens', (t) => {
  const banner = bannerOf(loadConfig({ PUBLIC_URL: 'https://auth.example.org' }), address)
  t.match(banner, 'https://auth.example.org/login')
  t.match(banner, /listens +http:\/\/127\.0\.0\.1:3000\n/)
  t.end()
})

t.test('a port that the system chose is in the links', (t) => {
  const banner = bannerOf(loadConfig({ PORT: '0' }), 'http://127.0.0.1:40123')
  t.match(banner, 'http://localhost:40123/docs')
  t.end()
})

t.test('no secret is in it', (t) => {
  const env = {
    DATABASE_URL: 'postgres://ada:hunter2@db:5433/gate',
    MAIL_URL: 'smtp://ada:hunter2@mail.example.org:587',
  }
  const banner = bannerOf(loadConfig(env), address)
  t.match(banner, 'PostgreSQL at db:5433/gate')
  t.match(banner, 'sent by mail.example.org:587')
  t.notMatch(banner, 'hunter2')
  const socket = { DATABASE_URL: 'postgres://ada:hunter2@/gate?host=/run/postgresql' }
  t.match(bannerOf(loadConfig(socket), address), /PostgreSQL at \S+\/gate/)
  t.end()
})
