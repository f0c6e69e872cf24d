import { createHash, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { localServer, sendJson, type Asked } from './local-server.js'

export type GithubEmail = { email: string; primary: boolean; verified: boolean }

export type GithubPerson = {
  id: number
  login: string
  name?: string | null
  /** The one that the profile shows: not proved to be theirs. */
  email?: string | null
  emails: GithubEmail[]
}

/** What a test may have it answer in place of the truth: the status, and the body. */
export type GithubForgery = Partial<Record<'token' | 'user' | 'emails', [number, unknown]>>

type Visit = { person: GithubPerson; challenge: string; redirectUri: string; scope: string }

const client = { id: 'Iv1.0123456789abcdef', secret: 'what GitHub and gatehouse share' }

/**
 * OAuth as a GitHub Enterprise Server has it: no OpenID, no `iss`, errors of the token endpoint under
 * status 200 and form-encoded answers to who does not ask for JSON, no API without a User-Agent.
 */
export async function githubServer(t: Test, publicUrl: string) {
  const callback = `${publicUrl}/auth/github/callback`
  const codes = new Map<string, Visit>()
  const tokens = new Map<string, Visit>()
  const forgeries = new Map<number, GithubForgery>()
  const origin = await localServer(t, (request, response) => {
    const url = new URL(request.url ?? '/', 'http://github.test')
    if (url.pathname === '/login/oauth/authorize') authorize(request, response, url)
    else if (url.pathname === '/login/oauth/access_token') token(request, response)
    else if (url.pathname.startsWith('/api/v3/')) api(request, response, url.pathname.slice(8))
    else response.writeHead(404).end()
  })

  /** A page that asks who one is; the posted answer, in JSON, leads back with a code. */
  function authorize(
    { method, body }: Asked,
    response: ServerResponse,
    { searchParams: asked }: URL,
  ): void {
    const redirectUri = asked.get('redirect_uri') ?? ''
    const challenge = asked.get('code_challenge') ?? ''
    const isRight =
      asked.get('client_id') === client.id &&
      redirectUri === callback &&
      asked.get('code_challenge_method') === 'S256'
    if (!isRight || method !== 'POST') {
      response.writeHead(isRight ? 200 : 404).end(isRight ? 'Who are you?' : 'Not found')
      return
    }
    const back = new URL(redirectUri)
    const person = JSON.parse(body) as GithubPerson | { error: string }
    if ('error' in person) back.searchParams.set('error', person.error)
    else {
      const code = randomBytes(10).toString('hex')
      codes.set(code, { person, challenge, redirectUri, scope: asked.get('scope') ?? '' })
      back.searchParams.set('code', code)
    }
    back.searchParams.set('state', asked.get('state') ?? '')
    response.writeHead(302, { location: back.href }).end()
  }

  function token(request: Asked, response: ServerResponse): void {
    const sent = new URLSearchParams(request.body)
    const visit = codes.get(sent.get('code') ?? '')
    codes.delete(sent.get('code') ?? '')
    const answer = grant(request, sent, visit)
    const forged = visit && forgeries.get(visit.person.id)?.token
    if (forged) sendJson(response, ...forged)
    else if (request.headers.accept?.includes('json')) sendJson(response, 200, answer)
    else response.end(new URLSearchParams(answer).toString())
  }

  function grant({ headers }: Asked, sent: URLSearchParams, visit?: Visit): Record<string, string> {
    const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`
    const isClient =
      headers.authorization === basic ||
      (sent.get('client_id') === client.id && sent.get('client_secret') === client.secret)
    if (!isClient) return { error: 'incorrect_client_credentials' }
    if (!visit) return { error: 'bad_verification_code', error_description: 'It has expired.' }
    if (visit.redirectUri !== sent.get('redirect_uri')) return { error: 'redirect_uri_mismatch' }
    const challenge = createHash('sha256').update(sent.get('code_verifier') ?? '')
    if (challenge.digest('base64url') !== visit.challenge) return { error: 'bad_verification_code' }
    const access_token = `gho_${randomBytes(18).toString('hex')}`
    tokens.set(access_token, visit)
    return { access_token, scope: visit.scope.replaceAll(' ', ','), token_type: 'bearer' }
  }

  function api({ headers }: Asked, response: ServerResponse, path: string): void {
    const [, token = ''] = /^(?:bearer|token) (\S+)$/i.exec(headers.authorization ?? '') ?? []
    sendJson(response, ...answerOf(path, tokens.get(token), headers['user-agent']))
  }

  function answerOf(path: string, visit?: Visit, agent?: string): [status: number, body: unknown] {
    if (!visit) return [401, { message: 'Bad credentials' }]
    if (!agent) return [403, { message: 'Request forbidden by administrative rules' }]
    const { id, login, name = null, email = null, emails } = visit.person
    const { user, emails: others } = forgeries.get(id) ?? {}
    if (path === 'user') return user ?? [200, { id, login, name, email, type: 'User' }]
    const mayRead = path === 'user/emails' && visit.scope.split(/[ ,]/).includes('user:email')
    return mayRead ? (others ?? [200, emails]) : [404, { message: 'Not Found' }]
  }

  return {
    origin,
    env: { GITHUB_URL: origin, GITHUB_CLIENT_ID: client.id, GITHUB_CLIENT_SECRET: client.secret },

    /** From now on, what is answered about the person with this id. */
    forge: (id: number, forgery: GithubForgery) => void forgeries.set(id, forgery),
  }
}
