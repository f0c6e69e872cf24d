import { errors, type ErrorCode } from '../../../src/errors.js'
import type { Answer, Exchange } from './connection.js'

/** What an answer must be: of this status, or of one of these codes. */
export type Expected = {
  status?: number
  codes?: ErrorCode[]
  /** The field that the answer must name. */
  field?: string | undefined
  /** The answer to HEAD has no body. */
  toHead?: boolean
}

// What tells an attacker how the service is built: libraries, code, SQL, files, parsers.
const leaks = [
  /FST_|HPE_|ERR_|ECONN|EPIPE/,
  /ajv|fastify|find-my-way|llhttp|postgres|\bpg\b|argon2|node_modules|node:/i,
  /\bat \S+ \(|\bat \S+:\d+|(?:\n|\\n)\s*at\s|\w\.[cm]?[jt]s\b|\/(?:src|dist|home|work|usr|tmp)\//,
  /\b(?:select|insert|update|delete)\b.*\b(?:from|into|set)\b|constraint|22021|22P02/i,
  /Unexpected|JSON\.parse|position \d|[A-Z]\w+Error|undefined|\[object/,
]

/** What in a text tells how the service is built. */
export const leaksIn = (text: string): string[] =>
  leaks.filter((leak) => leak.test(text)).map((leak) => `it tells ${leak.source}: ${text}`)

/** What is wrong with what a client heard; nothing, if it is as expected. */
export function faultsOf({ answers, rest, end, ms }: Exchange, expected: Expected): string[] {
  const [answer] = answers
  if (end === 'open') return [`still open after ${Math.round(ms)} ms: ${describe(answers, rest)}`]
  if (!answer || answers.length > 1 || rest) return [`not one answer: ${describe(answers, rest)}`]
  return faultsOfAnswer(answer, expected)
}

export function faultsOfAnswer(answer: Answer, expected: Expected): string[] {
  const { status, codes, field, toHead } = expected
  const faults: string[] = []
  const ofCodes = codes?.map((code) => errors[code][0]) ?? []
  const statuses = status === undefined ? ofCodes : [status, ...ofCodes]
  if (!statuses.includes(answer.status)) {
    faults.push(
      `${answer.status} instead of ${statuses.join(' or ')}: ${answer.body.slice(0, 300)}`,
    )
  }
  const head = answer.head.replaceAll(/^set-cookie:.*$/gim, '')
  faults.push(...leaksIn(head))
  for (const name of ['server', 'x-powered-by']) if (answer.headers[name]) faults.push(name)
  return answer.status < 400 || toHead
    ? faults
    : [...faults, ...faultsOfError(answer, codes, field)]
}

/** An error has one shape, in our own words, and is never kept by a cache. */
function faultsOfError(answer: Answer, codes: ErrorCode[] | undefined, field?: string): string[] {
  const { status, headers, body } = answer
  const faults = leaksIn(body)
  if (headers['content-type'] !== 'application/json; charset=utf-8') faults.push('content-type')
  if (headers['cache-control'] !== 'no-store') faults.push('cache-control')
  if (status === 401 && !headers['www-authenticate']?.startsWith('Bearer '))
    faults.push('no challenge')
  const error = parse(body)
  if (!error) return [...faults, `not an error in JSON: ${answer.head} ${body.slice(0, 200)}`]
  const [expectedStatus, message] = errors[error.code]
  if (error.status !== 'error' || status !== expectedStatus || error.message !== message) {
    faults.push(`an error of another kind: ${body}`)
  }
  if (codes && !codes.includes(error.code))
    faults.push(`${error.code}, not ${codes.join()}: ${body}`)
  const fields = error.errors?.map((entry) => entry.field)
  if (field !== undefined && !fields?.includes(field))
    faults.push(`does not name ${field}: ${body}`)
  if (error.errors?.some((entry) => !entry.field || !entry.message)) faults.push('an empty field')
  return faults
}

type ErrorBody = {
  status: string
  code: ErrorCode
  message: string
  errors?: { field: string; message: string }[]
}

function parse(body: string): ErrorBody | undefined {
  try {
    const error = JSON.parse(body) as ErrorBody
    const allowed = ['status', 'code', 'message', 'errors']
    const isKnown = Object.hasOwn(errors, error.code)
    return isKnown && Object.keys(error).every((key) => allowed.includes(key)) ? error : undefined
  } catch {
    return undefined
  }
}

const describe = (answers: Answer[], rest: string) =>
  [...answers.map(({ status, body }) => `${status} ${body}`), rest].join(' | ').slice(0, 500)
