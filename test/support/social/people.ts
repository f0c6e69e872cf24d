import { randomUUID } from 'node:crypto'
import type { LoginAnswer } from '../app.js'
import type { Answered } from '../browser-session.js'
import type { SocialApp } from './app.js'
import type { GithubPerson } from './github.js'
import { refreshTarget, visit, type Traveller } from './traveller.js'

export const password = 'correct horse battery'
let people = 0

export function anAddress(): string {
  people += 1
  return `person-${people}@example.org`
}

export function aNumber(): string {
  people += 1
  return `+44207946${String(people).padStart(4, '0')}`
}

/** Somebody new at an OpenID provider. */
export function openidPerson(email = anAddress()) {
  return { sub: randomUUID(), email, email_verified: true, name: 'Ada Lovelace' }
}

/** Somebody new at GitHub. */
export function githubPerson(email = anAddress()) {
  people += 1
  const address = { email, primary: true, verified: true }
  const person = { id: 1_000_000 + people, login: `grace${people}`, name: 'Grace Hopper' }
  return { ...person, emails: [address] } satisfies GithubPerson
}

export const personAt = { oidc: openidPerson, github: githubPerson }

/** Accounts of the service, and what their owners do in a browser. */
export function accountsOf({ call, browser, sql }: SocialApp, publicUrl: string) {
  const self = {
    /** Logs in, too. */
    async register(fields: Record<string, string> = {}) {
      const email = fields.email ?? anAddress()
      const { status, body } = await call('POST', '/api/register', { email, password, ...fields })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return { email, ...(await self.logIn(email)) }
    },

    /** One whose address was proven. */
    async verifiedAccount(email = anAddress()) {
      const account = await self.register({ email })
      await sql('update users set email_verified_at = now() where id = $1', [account.user.id])
      return account
    },

    async logIn(email: string): Promise<LoginAnswer> {
      const { status, body } = await call('POST', '/api/login', { email, password })
      if (status !== 200) throw new Error(JSON.stringify(body))
      return body
    },

    /** A browser where the owner of this address is signed in by password. */
    async asUser(email: string): Promise<Traveller> {
      const visitor = browser()
      const { status } = await visitor.home.post('/login', { username: email, password })
      if (status !== 303) throw new Error(`logging in answered ${status}`)
      return visitor
    },

    /** The connect form, and the way through the provider: the URL to come back to. */
    async connecting(
      visitor: Traveller,
      provider: string,
      person: object,
      form: Record<string, string> = {},
    ): Promise<URL> {
      const page = await visitor.home.post(`/auth/${provider}/connect`, form)
      if (page.status !== 200) throw new Error(`${page.status} ${page.html}`)
      const url = refreshTarget(page.html)
      const link = `<a class="button" href="${url.href.replaceAll('&', '&amp;')}">`
      if (!page.html.includes(link)) throw new Error('there is no link for who waits in vain')
      return visit(url, person, publicUrl)
    },

    /** And back: what came of it. */
    async connect(
      visitor: Traveller,
      provider: string,
      person: object,
      form: Record<string, string> = {},
    ): Promise<Answered> {
      return visitor.comeBack(await self.connecting(visitor, provider, person, form))
    },
  }
  return self
}
