import { Command } from 'commander'
import { OperatorError } from '../errors.js'
import { addExamples } from './examples.js'
import { atTerminal, logInByCode, offersCodes } from './device-login.js'
import { LoginError, readUrl, refused, sendForm, sendJson } from './gatehouse-api.js'
import { createLoginFile, type StoredLogin } from './login-file.js'
import type { Print } from './output.js'
import { createPrompts, type Prompts } from './prompts.js'

type Options = {
  /** Where the login is stored. */
  folder: string
  print: Print
  /** Runs a command and reports its error as a sentence. */
  report: (work: () => Promise<void>) => Promise<void>
}

type Pair = { access_token: string; refresh_token?: string; expires_in: number }

/** In milliseconds. A token that lives shorter is replaced, so that a script can use the printed one. */
const margin = 60_000
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** `gatehouse login`, `token` and `logout`: for a person at a terminal, and without a database. */
export function loginCommands({ folder, print, report }: Options): Command[] {
  const file = createLoginFile(folder)

  const login = new Command('login')
    .description(
      'log in to a running Gatehouse: in a browser, or with a user by the password and the code of the second factor, at the prompt or piped to stdin',
    )
    .argument('<url>', 'its PUBLIC_URL')
    .argument(
      '[user]',
      'an e-mail address, a username or a mobile number; without it, in a browser',
    )
    .option('--key', 'use an API key instead of a user and a password')
    .action((given: string, user: string | undefined, { key }: { key?: boolean }) =>
      report(async () => {
        const url = readUrl(given)
        const made =
          key || user !== undefined ? await logInHere(url, user, key) : await logInElsewhere(url)
        await file.exclusively(async () => {
          const former = await file.read().catch(() => undefined)
          await file.write(made)
          await endFormer(former)
        })
        print(`Logged in to ${url}`)
      }),
    )
  addExamples(
    login,
    'gatehouse login https://auth.example.org',
    'gatehouse login https://auth.example.org ada',
    'pass show gatehouse/ada | gatehouse login https://auth.example.org ada',
    'gatehouse login https://auth.example.org --key < /etc/backup/gatehouse-key',
  )

  const token = new Command('token')
    .description('print an access token of the login; it lives for another minute at least')
    .action(() =>
      report(async () => {
        print((await findFresh()).access_token)
      }),
    )
  addExamples(
    token,
    'gatehouse token',
    'TOKEN=$(gatehouse token) && http -A bearer -a "$TOKEN" https://auth.example.org/api/user',
  )

  const logout = new Command('logout')
    .description('end the login and delete it here; an API key is deleted here only')
    .action(() =>
      report(() =>
        file.exclusively(async () => {
          const stored = await file.read()
          if (stored.api_key === undefined) await end(stored)
          await file.remove()
          print(`Logged out of ${stored.url}`)
        }),
      ),
    )
  addExamples(logout, 'gatehouse logout')

  return [login, token, logout]

  /** A token that a script can use. Only one process refreshes, and the others read its result. */
  async function findFresh(): Promise<StoredLogin> {
    const stored = await file.read()
    if (isFresh(stored)) return stored
    return file.exclusively(async () => {
      const present = await file.read()
      if (isFresh(present)) return present
      const renewed = await renew(present)
      await file.write(renewed)
      return renewed
    })
  }
}

const isFresh = ({ expires_at }: StoredLogin) => expires_at - Date.now() > margin

/** By secrets that the person enters here. @throws LoginError, OperatorError */
async function logInHere(url: string, user = '', key = false): Promise<StoredLogin> {
  const prompts = createPrompts()
  try {
    if (key) return await exchange(url, await prompts.ask('API key'))
    return await logIn(url, user, prompts)
  } finally {
    prompts.close()
  }
}

/** In a browser, where Gatehouse offers that. @throws LoginError, OperatorError */
async function logInElsewhere(url: string): Promise<StoredLogin> {
  if (!(await offersCodes(url)))
    throw new OperatorError('Name the user, or add --key for an API key')
  return toLogin(url, await logInByCode<Pair>(url, atTerminal))
}

/** @throws LoginError, OperatorError */
async function logIn(url: string, identifier: string, prompts: Prompts): Promise<StoredLogin> {
  const password = await prompts.ask('password')
  const first = await sendJson<Pair>(`${url}/api/login`, { identifier, password })
  if (first.ok) return toLogin(url, first.body)
  if (first.code !== 'second_factor_required') throw refused(url, first)
  const { challenge, methods } = first.body as { challenge: string; methods: string[] }
  if (!methods.includes('totp'))
    throw new LoginError(`${url} wants a second factor: log in there in a browser and add one`, 4)
  const code = await prompts.ask('code of the authenticator app or recovery code')
  // fetch() of Node.js sends Sec-Fetch-Mode, so Gatehouse binds the challenge to a cookie as in a browser.
  const second = await sendJson<Pair>(`${url}/api/login/verify`, { challenge, code }, first.cookie)
  if (second.ok) return toLogin(url, second.body)
  throw refused(url, second)
}

/** Other services verify tokens by themselves, so a key is exchanged for one (RFC 8693). @throws LoginError */
async function exchange(url: string, api_key: string): Promise<StoredLogin> {
  const answer = await sendForm<Pair>(`${url}/oauth/token`, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: api_key,
    subject_token_type: accessTokenType,
  })
  if (!answer.ok) throw refused(url, answer)
  return { ...toLogin(url, answer.body), api_key }
}

/** @throws LoginError */
async function renew({ url, refresh_token, api_key }: StoredLogin): Promise<StoredLogin> {
  if (api_key !== undefined) return exchange(url, api_key)
  const answer = await sendJson<Pair>(`${url}/api/refresh`, { refresh_token })
  if (answer.ok) return toLogin(url, answer.body)
  throw new LoginError(`The login has ended: run "gatehouse login ${url} USER"`, 4)
}

/** Ends the session. One that has ended already is the same. @throws LoginError */
async function end({ url, refresh_token = '' }: StoredLogin): Promise<void> {
  await sendForm(`${url}/oauth/revoke`, { token: refresh_token })
}

/** Ends the login that another one has replaced. If it cannot be reached, it ends by itself some day. */
async function endFormer(former: StoredLogin | undefined): Promise<void> {
  if (former && former.api_key === undefined) await end(former).catch(() => undefined)
}

const toLogin = (url: string, { access_token, refresh_token, expires_in }: Pair): StoredLogin => ({
  ...{ url, access_token, expires_at: Date.now() + expires_in * 1_000 },
  ...(refresh_token !== undefined && { refresh_token }),
})
