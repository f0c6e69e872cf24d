import { isCollection, isScalar, parseDocument, visit } from 'yaml'
import { AppError } from '../errors.js'

export type FrontMatter = Record<string, unknown>
export type Readme = { markdown: string; front_matter: FrontMatter }

const maxBytes = 8_192
const maxNodes = 500
const maxDepth = 8

/**
 * A README, taken apart: YAML between two lines of `---` at its very beginning, and the markdown
 * behind it. YAML is read as data (core schema; no aliases, merges, tags or code).
 * @throws AppError `invalid_readme` with what is wrong
 */
export function readReadme(bytes: Buffer): Readme {
  const text = decode(bytes)
  const parts = /^---[ \t]*\n(?:([\s\S]*?)\n)?---[ \t]*(?:\n([\s\S]*))?$/.exec(text)
  if (!parts) {
    if (/^---[^\s-]/.test(text)) throw invalid('front_matter', 'is YAML between two lines of ---')
    return { markdown: text, front_matter: {} }
  }
  const [, yaml = '', markdown = ''] = parts
  return { markdown, front_matter: parseFrontMatter(yaml) }
}

/** @throws AppError `invalid_readme` */
function parseFrontMatter(yaml: string): FrontMatter {
  if (Buffer.byteLength(yaml) > maxBytes) throw invalid('front_matter', 'is longer than 8 KB')
  // Before the parser sees it: what nests deeply is slow to read.
  if ((yaml.match(/[[{]/g) ?? []).length > maxNodes) throw invalid('front_matter', 'nests too much')
  let value: unknown
  try {
    const options = { schema: 'core', merge: false, uniqueKeys: true, logLevel: 'error' } as const
    const document = parseDocument(yaml, options)
    const [fault] = document.errors
    if (fault) throw fault
    let nodes = 0
    visit(document, {
      Alias: () => {
        throw new Error('aliases are not taken')
      },
      Node: (_key, { tag }, path) => {
        nodes += 1
        if (nodes > maxNodes || path.filter(isCollection).length > maxDepth) {
          throw new Error('nests too much')
        }
        if (tag !== undefined) throw new Error('tags are not taken')
      },
      Pair: (_key, { key }) => {
        if (!isScalar(key) || key.value === '<<') throw new Error('a key is a word')
      },
    })
    value = document.toJS({ maxAliasCount: 0 }) as unknown
  } catch (cause) {
    throw invalid('front_matter', 'is not valid YAML', cause)
  }
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalid('front_matter', 'must be a mapping')
  }
  requireJson(value)
  return value as FrontMatter
}

/** Only what JSON can say, and PostgreSQL keep. @throws AppError `invalid_readme` */
function requireJson(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw invalid('front_matter', 'holds a number that JSON has not')
  }
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) {
    throw invalid('front_matter', 'holds what is no text')
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    if (key === '__proto__') throw invalid('front_matter', 'has a key that is not allowed')
    requireJson(key)
    requireJson(child)
  }
}

function decode(bytes: Buffer): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw invalid('readme', 'is not UTF-8 text', cause)
  }
  if (text.includes('\0')) throw invalid('readme', 'is not UTF-8 text')
  return text.replaceAll('\r\n', '\n')
}

const invalid = (field: string, message: string, cause?: unknown) =>
  new AppError('invalid_readme', { fields: [{ field, message }], cause })
