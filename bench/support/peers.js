// The servers that bench/peers.js compares: how each is started, and how its clients ask.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const bearer = (token) => ({ authorization: `Bearer ${token}` })
const json = (body) => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const post = (path, body, headers = {}) => {
  const request = body ? json(body) : { headers: {} }
  return { method: 'POST', path, ...request, headers: { ...request.headers, ...headers } }
}

/** Express and Flask have the same paths. */
const tutorial = {
  health: '/health',
  register: (account) => post('/register', account),
  login: (account) => post('/login', account),
  read: ({ body }) => body,
  get: ({ access_token }) => ({ method: 'GET', path: '/user', headers: bearer(access_token) }),
  refresh: ({ refresh_token }) => post('/refresh', { refresh_token }),
  logout: ({ access_token }) => post('/logout', undefined, bearer(access_token)),
}

export const peers = {
  gatehouse: {
    command: [process.execPath, '--max-semi-space-size=4', at('../dist/server.js')],
    hash: 'argon2id, 19 MiB, 2 passes',
    health: '/health/ready',
    register: (account) => post('/api/register', account),
    login: (account) => post('/api/login', account),
    read: ({ body }) => body,
    get: ({ access_token }) => ({
      method: 'GET',
      path: '/api/user',
      headers: bearer(access_token),
    }),
    refresh: ({ refresh_token }) => post('/api/refresh', { refresh_token }),
    logout: ({ access_token }) => post('/api/logout', undefined, bearer(access_token)),
  },
  express: {
    ...tutorial,
    command: [process.execPath, at('peers/express/server.js')],
    hash: 'bcrypt, cost 10',
    quickHash: true,
    packages: at('peers/express'),
  },
  'better-auth': {
    command: [process.execPath, at('peers/better-auth/server.js')],
    hash: 'scrypt',
    packages: at('peers/better-auth'),
    health: '/api/auth/ok',
    register: ({ email, password }) =>
      post('/api/auth/sign-up/email', { email, password, name: 'Ada' }),
    login: (account) => post('/api/auth/sign-in/email', account),
    read: ({ headers, body }) => ({ access_token: headers['set-auth-token'], ...body }),
    get: ({ access_token }) => ({
      method: 'GET',
      path: '/api/auth/get-session?disableRefresh=true',
      headers: bearer(access_token),
    }),
    refresh: ({ access_token }) => ({
      method: 'GET',
      path: '/api/auth/get-session',
      headers: bearer(access_token),
    }),
    keepsToken: true,
    logout: ({ access_token }) => post('/api/auth/sign-out', {}, bearer(access_token)),
  },
  flask: {
    ...tutorial,
    command: [
      'gunicorn',
      '--log-level',
      'warning',
      '-w',
      '2',
      '-k',
      'gthread',
      '--threads',
      '8',
      '-b',
    ],
    hash: 'bcrypt, cost 12',
    quickHash: true,
    cwd: at('peers/flask'),
  },
}

/** Why a peer cannot run here; undefined if it can. Installs the packages of a Node.js peer. */
export function obstacleOf(name) {
  const { packages, cwd } = peers[name]
  if (packages && !existsSync(`${packages}/node_modules`)) {
    const { status } = spawnSync('npm', ['ci', '--silent', '--no-audit', '--no-fund'], {
      cwd: packages,
    })
    if (status !== 0) return 'npm cannot install its packages'
  }
  if (!cwd) return undefined
  const modules = 'import bcrypt, flask, gunicorn, jwt, psycopg2'
  const { status } = spawnSync('/usr/bin/python3', ['-c', modules])
  const packagesOfDebian = 'gunicorn python3-flask python3-bcrypt python3-jwt python3-psycopg2'
  return status === 0 ? undefined : `it needs ${packagesOfDebian}`
}

/** Starts a peer as a group of processes of its own, so that its workers end with it. */
export function startPeer(name, { port, databaseUrl, dataDir }) {
  const { command, cwd } = peers[name]
  const [program, ...args] = cwd ? [...command, `127.0.0.1:${port}`, 'app:app'] : command
  const secret = 'bench-0123456789-abcdefghij-ABCDEFGHIJ'
  return spawn(program, args, {
    cwd: cwd ?? dataDir,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      PUBLIC_URL: `http://localhost:${port}`,
      DATABASE_URL: databaseUrl,
      DATA_DIR: dataDir,
      SECRET: secret,
      KEYS_SECRET: secret,
      RATE_LIMIT: 'off',
      LOG_LEVEL: 'warn',
    },
  })
}
