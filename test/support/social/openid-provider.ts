import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const script = fileURLToPath(new URL('openid-provider-process.js', import.meta.url))

export const oidcClient = { id: 'gatehouse', secret: 'what the provider and gatehouse share' }

/** What an account at the provider says of its owner. */
export type Person = { sub: string; email?: string; email_verified?: boolean; name?: string }

/**
 * A real OpenID provider (oidc-provider) in a process of its own, until the test ends. It insists on
 * PKCE, names itself in every response (RFC 9207), and has its claims at userinfo, as the
 * specification has it. The client `public` has no secret.
 */
export async function openidProvider(t: Test, publicUrl: string) {
  const common = {
    redirect_uris: [`${publicUrl}/auth/oidc/callback`],
    response_types: ['code'],
    grant_types: ['authorization_code'],
    scope: 'openid email profile',
  }
  const clients = [
    { ...common, client_id: oidcClient.id, client_secret: oidcClient.secret },
    { ...common, client_id: 'public', token_endpoint_auth_method: 'none' },
  ]
  const child = spawn(process.execPath, [script, JSON.stringify(clients)], {
    env: { PATH: process.env.PATH, NODE_ENV: 'test' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const issuer = await Promise.race([
    firstLine(child.stdout),
    exited.then(() => {
      throw new Error(`the provider did not start: ${complaints}`)
    }),
  ])
  return {
    issuer,
    env: {
      OIDC_ISSUER: issuer,
      OIDC_CLIENT_ID: oidcClient.id,
      OIDC_CLIENT_SECRET: oidcClient.secret,
      OIDC_NAME: 'Example ID',
    },
  }
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const line = /^(http\S+)\n/m.exec(text)
      if (line?.[1]) resolve(line[1])
    })
  })
}
