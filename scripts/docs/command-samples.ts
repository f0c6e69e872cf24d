import { lineOf, type Finding } from '../../src/commands/doctor.js'
import { createProgram, type Tools } from '../../src/commands/program.js'
import type { Account } from '../../src/features/administration/schemas.js'
import type { ApiKey } from '../../src/features/api-keys/schemas.js'
import type { AuditEntry } from '../../src/features/audit/schemas.js'
import type { Invitation } from '../../src/features/invitations/schemas.js'
import type { Client } from '../../src/features/clients/repository.js'
import type { Session } from '../../src/features/sessions/schemas.js'

const at = (day: number, time = '09:30:00.000') =>
  `2026-01-${String(day).padStart(2, '0')}T${time}Z`
const idOf = (end: number) => `019bd1a4-5b6c-7d8e-9f01-23456789abc${String(end)}`

const ada: Account = {
  id: idOf(1),
  name: 'Ada Lovelace',
  username: 'ada',
  email: 'ada@example.org',
  mobile: null,
  gender: null,
  email_verified: true,
  mobile_verified: false,
  active: true,
  roles: ['admin', 'user'],
  picture_url: null,
  readme_url: null,
  created_at: at(12),
  updated_at: at(13),
  activated_at: at(12),
  disabled_at: null,
  email_verified_at: at(12),
  mobile_verified_at: null,
  last_login_at: at(14),
}

const session: Omit<Session, 'current'> = {
  id: idOf(2),
  user_agent: 'curl/8.5.0',
  address: '192.0.2.7',
  created_at: at(14),
  last_used_at: at(15),
  expires_at: at(29),
}

const entry: AuditEntry = {
  id: idOf(3),
  at: at(15),
  event: 'login.failed',
  actor_id: null,
  user_id: ada.id,
  address: '192.0.2.7',
  user_agent: 'curl/8.5.0',
  request_id: null,
  detail: {},
}

const invitation: Invitation = {
  id: idOf(5),
  email: 'grace@example.org',
  mobile: null,
  roles: ['editor'],
  inviter_id: null,
  created_at: at(12),
  expires_at: at(19),
  used_at: null,
}

const client: Client = {
  id: idOf(4),
  name: 'reports',
  roles: ['admin'],
  epoch: 0,
  created_at: at(12),
  redirect_uris: [],
  is_public: false,
  allows_device: false,
  attests: false,
}

const apiKey: ApiKey = {
  id: idOf(5),
  name: 'backup',
  roles: ['user'],
  created_at: at(12),
  expires_at: '2026-04-12T09:30:00.000Z',
  last_used_at: at(15),
}

const kids = [
  'pDLPkyXlgyCNtVnC5XIs9AL2FcWCcUPIlkaFAfSYC2A',
  'Qm1uZ2tqW0c5aGZkc2E3NjU0MzIxMGFiY2RlZmdoaWo',
]
const key = (kid = '', start: number, end: number) => ({
  kid,
  algorithm: 'ES256',
  created_at: at(start, '09:15:00.000'),
  signs_from: at(start),
  signsFrom: Date.parse(at(start)),
  retiresAt: end ? Date.parse(at(end)) : Infinity,
  until: {
    'at+jwt': end ? Date.parse(at(end, '09:47:00.000')) : Infinity,
    // A refresh token lives for 30 days.
    'rt+jwt': end ? Date.parse(at(end, '09:32:00.000')) + 30 * 86_400_000 : 0,
    'fa+jwt': 0,
  },
})

const findings: Finding[] = [
  { name: 'PostgreSQL', state: 'ok', text: '18.1' },
  {
    name: 'administrators',
    state: 'note',
    text: 'none: create one with gatehouse create-admin USERNAME EMAIL',
  },
  {
    name: 'MAIL_URL',
    state: 'fault',
    text: 'the mail server at mail:587 does not answer (connect ECONNREFUSED 10.0.0.5:587): start it, or correct MAIL_URL',
  },
]

const services = {
  administration: {
    list: async () => ({ users: [ada], next: null }),
    get: async () => ada,
    create: async () => ada,
    createAdmin: async () => ada,
    disable: async () => ada,
    enable: async () => ada,
    delete: async () => undefined,
    forceReset: async () => undefined,
  },
  apiKeys: {
    add: async () => ({ key: 'gatehouse_5vUXZp0aQyIu3mJ8kR2tN7cW1bLsE9dGfH6xYo', api_key: apiKey }),
    list: async () => [apiKey],
    remove: async () => undefined,
  },
  audit: { list: async () => ({ rows: [entry], end: null }) },
  clients: {
    add: async () => ({
      client_id: 'reports',
      client_secret: 'W6nCqJ0f3pVt7yHsLrXkZ2mBvDgAeTuQw9iOc5xYlN8',
    }),
    list: async () => [client],
    remove: async () => undefined,
    setRedirectUris: async () => undefined,
  },
  factors: { removeOf: async () => undefined },
  invitations: {
    create: async () => ({ invitation }),
    list: async () => ({ invitations: [invitation], next: null }),
    revoke: async () => undefined,
  },
  roles: { grant: async () => undefined, revoke: async () => undefined },
  store: {
    sessions: { list: async () => [session] },
    users: { findHolders: async () => [{ kind: 'email', user_id: ada.id }] },
  },
}

const next = { kid: kids[1], signs_from: at(20), is_new: true }
const rotation = {
  list: async () => ({
    signer: kids[0],
    now: Date.parse(at(19, '09:20:00.000')),
    keys: [key(kids[0], 12, 20), key(kids[1], 20, 0)],
  }),
  rotate: async () => next,
  remove: async () => next,
}

/** Commands that print something, with the arguments of the sample. */
const samples: Record<string, string[]> = {
  'create-admin': ['ada', 'ada@example.org', 'correct horse battery'],
  'users list': [],
  'users show': ['ada'],
  'users create': ['--email', 'ada@example.org'],
  'users roles': ['ada', '--grant', 'admin'],
  'users sessions': ['ada'],
  'users disable': ['ada'],
  'users enable': ['ada'],
  'users reset': ['ada'],
  'users remove-factor': ['ada'],
  'users delete': ['ada', '--yes'],
  'keys list': [],
  'keys rotate': [],
  'keys remove': [kids[0] ?? ''],
  'api-keys add': ['ada', 'backup', '--role', 'user'],
  'api-keys list': ['ada'],
  'api-keys revoke': [apiKey.id],
  'clients add': ['reports', '--role', 'admin'],
  'clients list': [],
  'clients remove': ['reports'],
  'clients set-redirect-uris': ['shop', 'https://shop.example.org/callback'],
  invite: ['ada@example.org', '--role', 'editor'],
  'invitations list': [],
  'invitations revoke': [invitation.id],
  audit: [],
}

/** What a command prints on invented data; undefined for a command without a sample. */
export async function sampleOf(name: string, json = false): Promise<string | undefined> {
  if (name === 'doctor') {
    return json ? JSON.stringify(findings, null, 2) : findings.map(lineOf).join('\n')
  }
  const args = samples[name]
  if (!args) return undefined
  const lines: string[] = []
  const tools = {
    withServices: (work: (given: unknown) => Promise<void>) => work(services),
    withRotation: (work: (given: unknown) => Promise<void>) => work(rotation),
    print: (line: string) => void lines.push(line),
    confirm: undefined,
  }
  const program = createProgram(tools as unknown as Tools)
  const flags = json ? ['--json'] : []
  await program.parseAsync([...name.split(' '), ...args, ...flags], { from: 'user' })
  return lines.join('\n')
}
