import type { Sample } from './caller.js'
import type { Expected } from './verdict.js'

type OddText = Expected & {
  name: string
  path: '/api/register' | '/api/login'
  body: Sample
  /** What the answer must hold, letter by letter. */
  holds?: Sample[string]
}

const password = 'correct horse battery'
// 1,024 bytes in 512 characters.
const longest = '\u00e4\u00f6\u00fc\u00df'.repeat(128)
const strange = 'zero\u200bwidth, bell\u0007, \u202eleft, \ud83d\ude00'
const likeJson = 'a":1,"name":"b'

/** One after the other, on one service. */
export const oddTexts: OddText[] = [
  {
    name: 'a password of 1,024 bytes',
    path: '/api/register',
    body: { email: 'odd@example.org', password: longest },
    status: 201,
  },
  {
    name: 'a password of 1,024 bytes',
    path: '/api/login',
    body: { email: 'odd@example.org', password: longest },
    status: 200,
  },
  {
    name: 'its last byte counts',
    path: '/api/login',
    body: { email: 'odd@example.org', password: longest.slice(0, -1) + '\u00e0' },
    codes: ['invalid_credentials'],
  },
  {
    name: 'a password of 1,025 bytes in 513 characters',
    path: '/api/register',
    body: { email: 'odd2@example.org', password: `${longest}a` },
    codes: ['weak_password'],
    field: 'password',
  },
  {
    name: 'a password of what is not seen',
    path: '/api/register',
    body: { email: 'odd3@example.org', password: strange },
    status: 201,
  },
  {
    name: 'a password of what is not seen',
    path: '/api/login',
    body: { email: 'odd3@example.org', password: strange },
    status: 200,
  },
  {
    name: 'the password that is seen',
    path: '/api/login',
    body: { email: 'odd3@example.org', password: strange.replace('\u200b', '') },
    codes: ['invalid_credentials'],
  },
  {
    name: 'a fullwidth @ is no other address',
    path: '/api/register',
    body: { email: 'odd\uff20example.org', password },
    codes: ['email_taken'],
    field: 'email',
  },
  {
    name: 'a fullwidth @ is the same address',
    path: '/api/login',
    body: { email: ' ODD\uff20example.org ', password: longest },
    status: 200,
  },
  {
    name: '%00 is three characters',
    path: '/api/register',
    body: { email: 'a%00b@example.org', password },
    status: 201,
    holds: 'a%00b@example.org',
  },
  {
    name: 'fullwidth letters',
    path: '/api/register',
    body: { username: '\uff4f\uff44\uff44', password },
    status: 201,
    holds: 'odd',
  },
  {
    name: 'the same letters',
    path: '/api/register',
    body: { username: 'ODD', password },
    codes: ['username_taken'],
    field: 'username',
  },
  {
    name: 'text like JSON, in which no key comes twice',
    path: '/api/register',
    body: { username: 'odd2', name: likeJson, gender: '{"password":"', password },
    status: 201,
    holds: likeJson,
  },
  {
    name: 'no identifier',
    path: '/api/register',
    body: { password },
    codes: ['validation_failed'],
    field: 'email',
  },
  {
    name: 'no identifier',
    path: '/api/login',
    body: { password },
    codes: ['validation_failed'],
    field: 'identifier',
  },
  {
    name: 'two identifiers',
    path: '/api/login',
    body: { email: 'odd@example.org', username: 'odd', password },
    codes: ['validation_failed'],
    field: 'username',
  },
]
