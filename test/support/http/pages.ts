import { inJson } from './caller.js'
import type { Answer, Exchange, RawRequest } from './connection.js'
import { faultsOfAnswer, leaksIn, type Expected } from './verdict.js'

/** What a page answers: itself in HTML, or as any other route where no handler was reached. */
export type PageCase = { name: string; request: RawRequest; status?: number } & Pick<
  Expected,
  'codes'
>

const form = 'Content-Type: application/x-www-form-urlencoded'
const type = (text: string) => [`Content-Type: ${text}`]
const link = 'A'.repeat(43)
const password = 'new_password=correct+horse+battery'

// Every one is a form of one token, which is no link of ours.
const wrongLinks: [name: string, body: string][] = [
  ['a link that was never sent', `token=${link}&${password}`],
  ['no password', `token=${link}`],
  ['an empty token', `token=&${password}`],
  ['a name without a value', 'token'],
  ['a token of 200 characters', `token=${'a'.repeat(200)}`],
  ['SQL', `token=${encodeURIComponent("' or 1=1--")}`],
  ['an escape that is none', 'token=%zz'],
  ['an escape that is cut', 'token=%a'],
  ['bytes that are not UTF-8', 'token=%ff%c0%af'],
  ['a lone surrogate', 'token=%ed%a0%80'],
  ['another charset', 'token=\xe9'],
  ['ampersands', `&&&token=${link}&&&`],
  ['the name escaped', `%74oken=${link}`],
]

const notOneToken: [name: string, body: string][] = [
  ['nothing', ''],
  ['a NUL', 'token=%00'],
  ['a field that nobody asked for', `token=${link}&role=admin&active=true`],
  ['__proto__', `__proto__=x&token=${link}`],
  ['__proto__[active]', `token=${link}&__proto__[active]=true`],
  ['constructor.prototype', `token=${link}&constructor[prototype][active]=true`],
  ['2,000 fields', `token=${link}${'&a=b'.repeat(2_000)}`],
  ['no token', password],
  ['only an equals sign', '='],
  ['only a percent sign', '%'],
  ['only ampersands', '&&&'],
  ['the token twice', `token=${link}&token=${link}`],
  ['the token in an array', `token[]=${link}`],
  ['the token in an object', `token[a]=${link}`],
  ['the token in capitals', `TOKEN=${link}`],
  ['a token of 201 characters', `token=${'a'.repeat(201)}`],
  ['the password twice', `token=${link}&${password}&${password}`],
  ['a password that is too long', `token=${link}&new_password=${'a'.repeat(1_025)}`],
  ['JSON under the name of a form', `{"token":"${link}"}`],
]

const otherTypes: [name: string, headers: string[], body: string][] = [
  ['multipart', type('multipart/form-data; boundary=x'), `--x\r\n\r\n${link}\r\n--x--\r\n`],
  ['XML', type('application/xml'), `<token>${link}</token>`],
  ['plain text', type('text/plain'), `token=${link}`],
  ['no type', [], `token=${link}`],
  ['a type that is none', type('x'), `token=${link}`],
  ['JSON in UTF-16', type('application/json; charset=utf-16'), `{"token":"${link}"}`],
]

/** Forms that no page takes. */
export const forms: PageCase[] = [
  ...wrongLinks.map(([name, body]) => ({ name, request: { headers: [form], body }, status: 400 })),
  ...notOneToken.map(([name, body]): PageCase => ({
    name,
    request: { headers: [form], body },
    codes: ['validation_failed'],
  })),
  ...otherTypes.map(([name, headers, body]): PageCase => ({
    name,
    request: { headers, body },
    codes: ['unsupported_media_type'],
  })),
  { name: 'JSON', request: inJson(JSON.stringify({ token: link })), status: 400 },
  { name: 'JSON with a number', request: inJson('{"token":1}'), codes: ['validation_failed'] },
  { name: 'JSON with a key twice', request: inJson('{"a":1,"a":1}'), codes: ['invalid_json'] },
  { name: 'no body', request: {}, codes: ['validation_failed'] },
  { name: 'no body, called a form', request: { headers: [form] }, codes: ['validation_failed'] },
  {
    name: '100 KB',
    request: { headers: [form], body: `token=${'a'.repeat(100_000)}` },
    codes: ['body_too_large'],
  },
  {
    name: 'one byte too many',
    request: { headers: [form], body: `token=${link}&a=`.padEnd(16_385, 'a') },
    codes: ['body_too_large'],
  },
  {
    name: 'two types',
    request: { headers: [form, 'Content-Type: application/json'], body: `token=${link}` },
    codes: ['bad_request'],
  },
  {
    name: 'a charset that is not UTF-8',
    request: { headers: [`${form}; charset=utf-16`], body: `token=${link}` },
    status: 400,
  },
]

/** Those of one page. "This was not me" has no password, so it refuses the field. */
export const formsOf = (url: string): PageCase[] =>
  url === '/not-me'
    ? forms.filter(({ request }) => !String(request.body ?? '').includes(password))
    : forms

/** Links that lead to a page all the same, or to none. */
export const links: (PageCase & { query: string })[] = [
  ...['', '?', '?token', '?token=', '?%', '?token=%zz', '?a=b', '?token=%00', '?token[]=x'].map(
    (query) => ({ name: query || 'no query', query, request: {}, status: 200 }),
  ),
  ...['?token=a&token=b', `?token=${'a'.repeat(201)}`].map(
    (query): PageCase & { query: string } => ({
      name: query.slice(0, 40),
      query,
      request: {},
      codes: ['validation_failed'],
    }),
  ),
]

/** Texts that would be more than text if a page did not escape them. */
export const markup = [
  '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>",
  '</style><svg/onload=alert(1)>',
  '<%= it.appName %>${7*7}{{7*7}}',
  '&quot;>&lt;script>',
  '" autofocus onfocus="alert(1)',
]

/** What is wrong with the answer of a page; nothing, if it is as expected. */
export function faultsOfPage(heard: Exchange, { codes, status }: PageCase, method = 'POST') {
  const { answers, rest, end } = heard
  const [answer] = answers
  if (end === 'open' || !answer || answers.length > 1 || rest) return ['not one answer']
  const expected: Expected = { ...(codes && { codes }), ...(status !== undefined && { status }) }
  if (codes) return faultsOfAnswer(answer, { ...expected, toHead: method === 'HEAD' })
  return [
    ...faultsOfAnswer(answer, { ...expected, toHead: true }),
    ...(method === 'HEAD' ? [] : leaksIn(answer.body)),
    ...faultsOfHtml(answer, method === 'HEAD'),
  ]
}

const policy =
  /^default-src 'none'; style-src 'sha256-[\w+/=]+'; img-src 'self'; form-action 'self'; base-uri 'none'/
const elements =
  'html head meta title style body header a main h1 p form input label small button'.split(' ')

function faultsOfHtml({ headers, body }: Answer, isHead: boolean): string[] {
  const faults: string[] = []
  if (headers['content-type'] !== 'text/html; charset=utf-8') faults.push('content-type')
  if (!policy.test(headers['content-security-policy'] ?? '')) faults.push('no policy')
  if (isHead) return faults
  if (!/<form method="post"|role="alert"/.test(body)) faults.push(`no form: ${body}`)
  const icon = '<link rel="icon" href="/favicon.ico" type="image/svg+xml">'
  const names = [...body.replace(icon, '').matchAll(/<\/?([a-z0-9]+)/gi)].map(([, name = '']) =>
    name.toLowerCase(),
  )
  const strange = names.filter((name) => !elements.includes(name))
  return [...faults, ...strange.map((name) => `an element of another kind: ${name}`)]
}
