import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

type Env = Record<string, string | undefined>

/**
 * Adds the variables of the file `.env` to `env`. A variable that the environment has wins, also in the other
 * form: `NAME` over `NAME_FILE`, and the reverse.
 * @returns the faults of the file, each with its line. A missing file has no faults.
 */
export function addEnvFile(env: Env, file = '.env'): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    return [`${file} cannot be read (${String(code)}): check that it is a file and its permissions`]
  }
  const given = new Set(Object.keys(env))
  for (const [name, value] of Object.entries(parseEnv(text))) {
    const other = name.endsWith('_FILE') ? name.slice(0, -5) : `${name}_FILE`
    if (!given.has(name) && !given.has(other)) env[name] = value
  }
  return faultsOf(text).map((fault) => `${file} ${fault}`)
}

const assignment = /^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*(?:(["'`])(.*))?/s

/** Finds the lines of `.env` that Node skips without a word. A line may hold a secret, so a fault gives only its number. */
function faultsOf(text: string): string[] {
  const faults: string[] = []
  const lines = text.split(/\r?\n/)
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (/^\s*(#|$)/.test(line)) continue
    const [found, quote, rest = ''] = assignment.exec(line) ?? []
    const number = String(at + 1)
    if (found === undefined) faults.push(`line ${number} must be NAME=value, or begin with #`)
    else if (quote !== undefined && !rest.includes(quote)) {
      const end = lines.findIndex((each, place) => place > at && each.includes(quote))
      if (end === -1) faults.push(`line ${number} has a quote ${quote} that is never closed`)
      else at = end
    }
  }
  return faults
}
