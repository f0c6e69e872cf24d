// A login service as Express tutorials build it: bcrypt, a signed token, and a table of revoked tokens.
import bcrypt from 'bcrypt'
import express from 'express'
import jwt from 'jsonwebtoken'
import { randomUUID } from 'node:crypto'
import pg from 'pg'

const secret = process.env.SECRET
const db = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
await db.query(`
  create table if not exists users (id uuid primary key, email text unique, password_hash text);
  create table if not exists refresh_tokens (id uuid primary key, user_id uuid, expires_at timestamptz);
  create table if not exists revoked (id uuid primary key)`)

const app = express()
app.use(express.json())

const accessFor = (sub) => jwt.sign({ sub, jti: randomUUID() }, secret, { expiresIn: '15m' })

async function pairFor(userId) {
  const id = randomUUID()
  await db.query(`insert into refresh_tokens values ($1, $2, now() + interval '14 days')`, [
    id,
    userId,
  ])
  const refresh_token = jwt.sign({ sub: userId, jti: id, refresh: true }, secret, {
    expiresIn: '14d',
  })
  return { access_token: accessFor(userId), refresh_token }
}

async function authenticate(request, response, next) {
  try {
    const claims = jwt.verify(request.headers.authorization?.slice(7) ?? '', secret)
    const { rowCount } = await db.query('select from revoked where id = $1', [claims.jti])
    if (rowCount > 0) throw new Error('revoked')
    request.claims = claims
    next()
  } catch {
    response.status(401).json({ error: 'unauthorized' })
  }
}

app.get('/health', (_request, response) => response.json({ ok: true }))

app.post('/register', async ({ body }, response) => {
  const hash = await bcrypt.hash(body.password, 10)
  await db.query('insert into users values ($1, $2, $3) on conflict do nothing', [
    randomUUID(),
    body.email,
    hash,
  ])
  response.status(201).json({ ok: true })
})

app.post('/login', async ({ body }, response) => {
  const { rows } = await db.query('select id, password_hash from users where email = $1', [
    body.email,
  ])
  const isRight = rows[0] && (await bcrypt.compare(body.password, rows[0].password_hash))
  if (!isRight) return response.status(401).json({ error: 'unauthorized' })
  response.json(await pairFor(rows[0].id))
})

app.get('/user', authenticate, async ({ claims }, response) => {
  const { rows } = await db.query('select id, email from users where id = $1', [claims.sub])
  response.json(rows[0])
})

app.post('/refresh', async ({ body }, response) => {
  try {
    const claims = jwt.verify(body.refresh_token, secret)
    const { rowCount } = await db.query('delete from refresh_tokens where id = $1', [claims.jti])
    if (rowCount === 0) throw new Error('spent')
    response.json(await pairFor(claims.sub))
  } catch {
    response.status(401).json({ error: 'unauthorized' })
  }
})

app.post('/logout', authenticate, async ({ claims }, response) => {
  await db.query('insert into revoked values ($1) on conflict do nothing', [claims.jti])
  response.json({ ok: true })
})

app.listen(Number(process.env.PORT), '127.0.0.1')
