// better-auth as its documents set it up: e-mail and password, sessions in PostgreSQL, and bearer tokens.
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { bearer } from 'better-auth/plugins'
import { createServer } from 'node:http'
import pg from 'pg'

const options = {
  baseURL: `http://127.0.0.1:${process.env.PORT}`,
  secret: process.env.SECRET,
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 }),
  emailAndPassword: { enabled: true },
  // A session is extended at each call that does not forbid it: that is its refresh.
  session: { updateAge: 0 },
  rateLimit: { enabled: false },
  plugins: [bearer()],
}
const { runMigrations } = await getMigrations(options)
await runMigrations()
createServer(toNodeHandler(betterAuth(options))).listen(Number(process.env.PORT), '127.0.0.1')
