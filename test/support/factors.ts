import { createHmac } from 'node:crypto'
import type { Response } from 'light-my-request'
import { bearer, logIn, signUp, type LoginAnswer, type TestApp } from './app.js'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function fromBase32(text: string): Buffer {
  const bits = Array.from(text, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0'))
  const bytes = bits.join('').match(/.{8}/g) ?? []
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)))
}

/** RFC 6238, written apart from the service. `at` is in milliseconds. */
export function codeOf(key: string, at = Date.now()): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)))
  const mac = createHmac('sha1', fromBase32(key)).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

type Service = Pick<TestApp, 'app' | 'sql'>
export type Pending = { code: string; challenge: string; methods: string[] }
export type Answer = {
  status: number
  body: Record<string, unknown> & Partial<LoginAnswer> & Partial<Pending>
  raw: Response
}

/** Somebody with a second factor. `code()` gives a code that was not used yet. */
export async function enrolled(service: Service, account: { email: string; password: string }) {
  const { app, sql } = service
  const login = await signUp(app, account)
  const post = poster(app)
  const begun = await post('/api/user/factors/totp', undefined, bearer(login.access_token))
  const key = String(begun.body.key)
  const confirmed = await post(
    '/api/user/factors/totp/confirm',
    { code: codeOf(key) },
    bearer(login.access_token),
  )
  if (confirmed.status !== 200) throw new Error(JSON.stringify(confirmed.body))
  const { id } = login.user
  return {
    id,
    account,
    login,
    key,
    recovery_codes: confirmed.body.recovery_codes as string[],
    /** Forgets the used steps, as if time had passed. */
    async code(): Promise<string> {
      await sql('update totp_factors set last_step = 0 where user_id = $1', [id])
      return codeOf(key)
    },
    begin: async (): Promise<Answer> => post('/api/login', account),
  }
}

export const poster =
  (app: Service['app']) =>
  async (url: string, payload?: object, headers: Record<string, string> = {}): Promise<Answer> => {
    const raw = await app.inject({ method: 'POST', url, headers, ...(payload && { payload }) })
    const isJson = String(raw.headers['content-type']).includes('json')
    return { status: raw.statusCode, body: isJson ? raw.json<Answer['body']>() : {}, raw }
  }

export { logIn }
