import type {
  AddressBody,
  LoginBody,
  LoginReply,
  PasswordBody,
  ProfileBody,
  ProfileReply,
  ProofBody,
  Readme,
  ReadmeReply,
  RefreshReply,
  RegisterBody,
  ResetBody,
  Session,
  SessionsReply,
  User,
  UserReply,
  VerifyBody,
  VerifyReply,
} from './api.js'
import { GatehouseError, loggedOut } from './errors.js'
import { platform } from './platform.js'
import { send, type Fetch } from './send.js'
import { createSession } from './session.js'
import { createTabs, noTabs, type News } from './tabs.js'
import { tokensOf, type Tokens } from './tokens.js'
import { uploadingFetch, type Progress } from './upload.js'

export type ClientOptions = {
  /** Where the service is, such as `https://auth.example.org`; by default the page's own origin. */
  url?: string
  /** Whether the refresh token is the service's HttpOnly cookie. By default in a browser, and only there. */
  cookies?: boolean
  /** Whether the tabs of the browser share one session. By default with `cookies`. */
  tabs?: boolean
  /** The tokens of a session that began before. `null`: there is none. */
  tokens?: Tokens | null
  /** Learns of new tokens, and of the end of the session, to store them. */
  onTokens?: (tokens: Tokens | undefined) => void
  /** Renews the tokens, if not `POST /api/refresh` does. */
  refresh?: (refreshToken: string) => Promise<Tokens>
  fetch?: Fetch
  /** Milliseconds for one answer. */
  timeout?: number
  /** Milliseconds that a call may wait in all, when the service asks to wait. */
  maxWait?: number
  now?: () => number
  pause?: (milliseconds: number) => Promise<void>
}

export type Client = ReturnType<typeof createClient>

/** `ended`: the session expired, or was ended somewhere else. */
export type ClientEvent = News['type']

type Call = { method?: string; body?: unknown; signal?: AbortSignal; onProgress?: Progress }
type UploadOptions = { onProgress?: Progress; signal?: AbortSignal }

const uploadTimeout = 120_000

/** Calls that change nothing when they are sent again. */
const repeatable = /^(GET|HEAD|DELETE)$|^POST \/api\/(login|refresh|logout)$/

/** A client of one service for one user. Every method throws a `GatehouseError` if it fails. */
export function createClient(options: ClientOptions = {}) {
  const { url = '', cookies = platform.document !== undefined, tabs = cookies, onTokens } = options
  const { timeout = 15_000, maxWait = 10_000, now = Date.now } = options
  const base = url.replace(/\/+$/, '')
  const credentials = cookies ? ('include' as const) : ('omit' as const)
  const plainFetch: Fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const fetch = cookies ? plainFetch : bindingFetch(plainFetch, `${base}/api/login`)
  const pause = options.pause ?? ((time) => new Promise((resolve) => setTimeout(resolve, time)))
  const listeners = new Set<(event: ClientEvent) => void>()
  const session = createSession({
    tokens: cookies ? options.tokens : (options.tokens ?? null),
    refresh,
    connect: (onNews) => (tabs ? createTabs(`gatehouse:${base}`, platform, onNews) : noTabs),
    onNews: ({ type, tokens }) => {
      onTokens?.(tokens)
      for (const listener of [...listeners]) listener(type)
    },
    now,
  })

  return {
    /** Registers a user. It does not log in. */
    register: async (body: RegisterBody): Promise<User> =>
      (await call<UserReply>('/api/register', { method: 'POST', body })).user,

    /** Activates an account by the token of the link, or by an address and its code. */
    activate: (body: ProofBody) => callForNothing('/api/activate', { method: 'POST', body }),

    async login(body: LoginBody): Promise<User> {
      const reply = await call<LoginReply>('/api/login', { method: 'POST', body })
      session.change({ type: 'login', tokens: keep(reply) })
      return reply.user
    },

    /** Completes a login that failed with `second_factor_required`, by its `challenge` and a code. */
    async verifyLogin(body: VerifyBody): Promise<User> {
      const reply = await call<VerifyReply>('/api/login/verify', { method: 'POST', body })
      session.change({ type: 'login', tokens: keep(reply) })
      return reply.user
    },

    /** Ends this session, or every one of the user. It succeeds if the session has already ended. */
    async logout(body: { everywhere?: boolean } = {}): Promise<void> {
      await authorized('/api/logout', { method: 'POST', body }).catch(ignoreLoggedOut)
      session.change({ type: 'logout' })
    },

    /** The user, or undefined if there is no session. */
    user: async (): Promise<User | undefined> =>
      (await authorized<UserReply>('/api/user').catch(ignoreLoggedOut))?.user,

    updateUser: (body: ProfileBody): Promise<ProfileReply> =>
      authorized('/api/user', { method: 'PATCH', body }),

    /** Ends every other session of the user. */
    changePassword: (body: PasswordBody) =>
      authorizedForNothing('/api/user/password', { method: 'POST', body }),

    forgotPassword: (body: AddressBody) =>
      callForNothing('/api/password/forgot', { method: 'POST', body }),

    resetPassword: (body: ResetBody) =>
      callForNothing('/api/password/reset', { method: 'POST', body }),

    sessions: async (): Promise<Session[]> =>
      (await authorized<SessionsReply>('/api/sessions')).sessions,

    endSession: (id: string) =>
      authorizedForNothing(`/api/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' }),

    endOtherSessions: () =>
      authorizedForNothing('/api/sessions?keep=current', { method: 'DELETE' }),

    /** Takes a PNG, JPEG or WebP picture. */
    uploadPicture: async (file: Blob, upload: UploadOptions = {}): Promise<User> =>
      (await authorized<UserReply>('/api/upload_profile_pic', formOf(file, upload))).user,

    uploadReadme: async (file: Blob, upload: UploadOptions = {}): Promise<Readme> =>
      (await authorized<ReadmeReply>('/api/upload_readme', formOf(file, upload))).readme,

    /** A good access token, renewed if need be. */
    accessToken: async () => session.accessToken(),

    /**
     * Sends a request with the access token to an API that you trust with it. After a 401 it is sent once
     * more, with a new token.
     */
    async fetch(target: string, init: RequestInit = {}): Promise<Response> {
      const token = await session.accessToken()
      const response = await fetch(target, withToken(init, token))
      if (response.status !== 401 || init.body instanceof ReadableStream) return response
      return fetch(target, withToken(init, await session.accessToken(token)))
    },

    /** Calls the listener after each event, in this tab or another one. Returns how to stop it. */
    subscribe(listener: (event: ClientEvent) => void): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },

    close: session.close,
  }

  function keep(reply: LoginReply | RefreshReply | VerifyReply): Tokens {
    const { refresh_token, ...rest } = reply
    return tokensOf(cookies ? rest : { ...rest, refresh_token }, now())
  }

  async function refresh(tokens: Tokens | undefined): Promise<Tokens> {
    const refresh_token = tokens?.refresh_token
    if (!cookies && refresh_token === undefined) throw loggedOut()
    if (options.refresh && refresh_token !== undefined) return options.refresh(refresh_token)
    const body = cookies ? undefined : { refresh_token }
    return keep(await call<RefreshReply>('/api/refresh', { method: 'POST', body }))
  }

  /** Sends a request with the access token, and once more if the token is refused. */
  async function authorized<Reply>(path: string, request: Call = {}): Promise<Reply> {
    const token = await session.accessToken()
    try {
      return await call<Reply>(path, request, token)
    } catch (error) {
      if (!isRefusal(error)) throw error
      return call<Reply>(path, request, await session.accessToken(token))
    }
  }

  async function call<Reply>(path: string, request: Call, token?: string): Promise<Reply> {
    const { method = 'GET', body, signal, onProgress } = request
    const isForm = body instanceof FormData
    const headers = {
      accept: 'application/json',
      ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    const init = {
      ...{ method, headers, credentials },
      ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    }
    const { XMLHttpRequest } = platform
    const response = await send(base + path, init, {
      fetch: onProgress && XMLHttpRequest ? uploadingFetch(XMLHttpRequest, onProgress) : fetch,
      timeout: isForm ? uploadTimeout : timeout,
      isRepeatable: repeatable.test(method) || repeatable.test(`${method} ${path}`),
      ...{ maxWait, pause },
    })
    return (await response.json()) as Reply
  }

  async function callForNothing(path: string, request: Call): Promise<void> {
    await call(path, request)
  }

  async function authorizedForNothing(path: string, request: Call): Promise<void> {
    await authorized(path, request)
  }
}

/**
 * Outside of browsers: keeps the cookie that binds a login to the second factor it waits for. The service asks
 * for it, because Node's requests look like those of a browser.
 */
function bindingFetch(fetch: Fetch, login: string): Fetch {
  let cookie: string | undefined
  return async (target, init) => {
    const headers = new Headers(init.headers)
    const isVerification = target === `${login}/verify`
    if (isVerification && cookie !== undefined) headers.set('cookie', cookie)
    const response = await fetch(target, isVerification ? { ...init, headers } : init)
    if (target === login)
      cookie = /(?:^|, )((?:__Host-)?challenge=[\w.~-]+)/.exec(
        response.headers.get('set-cookie') ?? '',
      )?.[1]
    return response
  }
}

function formOf(file: Blob, { onProgress, signal }: UploadOptions): Call {
  const body = new FormData()
  body.append('file', file)
  return { method: 'POST', body, ...(signal && { signal }), ...(onProgress && { onProgress }) }
}

function withToken(init: RequestInit, token: string): RequestInit {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${token}`)
  return { ...init, headers }
}

/** Whether a new access token may help. Other 401 say something about the request. */
const isRefusal = (error: unknown) =>
  error instanceof GatehouseError &&
  (error.code === 'invalid_token' || error.code === 'token_stale')

function ignoreLoggedOut(error: unknown): undefined {
  if (!isRefusal(error)) throw error
}
