import { isCollection, isScalar, Lexer, parseDocument, Parser, visit } from 'yaml'
import { AppError } from '../../../errors.js'

export type FrontMatter = Record<string, unknown>
export type Readme = { markdown: string; front_matter: FrontMatter }

const maxBytes = 8_192
const maxNodes = 500
const maxDepth = 8

/**
 * Splits a README into front matter and markdown. The front matter is YAML between two lines of `---` at the
 * start of the file, and contains only data: core schema, no aliases, merge keys or tags.
 * @throws AppError `invalid_readme` with the field and the fault
 */
export function readMarkdown(bytes: Buffer): Readme {
  const text = decode(bytes)
  const parts = /^---[ \t]*\n(?:([\s\S]*?)\n)?---[ \t]*(?:\n([\s\S]*))?$/.exec(text)
  if (!parts) {
    if (/^---[^\s-]/.test(text))
      throw invalidReadme('front_matter', 'must be YAML between two lines of ---')
    return { markdown: text, front_matter: {} }
  }
  const [, yaml = '', markdown = ''] = parts
  return { markdown, front_matter: parseFrontMatter(yaml) }
}

/** @throws AppError `invalid_readme` */
function parseFrontMatter(yaml: string): FrontMatter {
  if (Buffer.byteLength(yaml) > maxBytes) throw invalidReadme('front_matter', 'is longer than 8 KB')
  if (isDeep(yaml)) throw invalidReadme('front_matter', 'is nested too deeply')
  let value: unknown
  try {
    const options = { schema: 'core', merge: false, uniqueKeys: true, logLevel: 'error' } as const
    const document = parseDocument(yaml, options)
    const [fault] = document.errors
    if (fault) throw fault
    let nodes = 0
    visit(document, {
      Alias: () => {
        throw new Error('aliases are not supported')
      },
      Node: (_key, { tag }, path) => {
        nodes += 1
        if (nodes > maxNodes || path.filter(isCollection).length > maxDepth) {
          throw new Error('is nested too deeply')
        }
        if (tag !== undefined) throw new Error('tags are not supported')
      },
      Pair: (_key, { key }) => {
        if (!isScalar(key) || key.value === '<<') throw new Error('keys must be scalars')
      },
    })
    value = document.toJS({ maxAliasCount: 0 }) as unknown
  } catch (cause) {
    throw invalidReadme('front_matter', 'is not valid YAML', cause)
  }
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalidReadme('front_matter', 'must be a mapping')
  }
  requireJson(value)
  return value as FrontMatter
}

/**
 * Whether YAML is nested too deeply. The parser keeps its own stack, so it can count the levels. The composer,
 * which builds the nodes, is recursive: deep nesting would overflow the call stack, where V8 may end the process.
 */
function isDeep(yaml: string): boolean {
  const parser = new Parser()
  for (const lexeme of new Lexer().lex(yaml)) {
    Array.from(parser.next(lexeme)) // advances the parser; only its stack is used
    // The stack has the document, a collection for each level, and a scalar.
    if (parser.stack.length > maxDepth + 3) return true
  }
  return false
}

/** Accepts only values that JSON can express and PostgreSQL can store. @throws AppError `invalid_readme` */
function requireJson(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw invalidReadme('front_matter', 'contains a non-finite number')
  }
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) {
    throw invalidReadme('front_matter', 'contains text that is not valid Unicode')
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    if (key === '__proto__') throw invalidReadme('front_matter', 'must not have the key __proto__')
    requireJson(key)
    requireJson(child)
  }
}

function decode(bytes: Buffer): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw invalidReadme('readme', 'is not UTF-8 text', cause)
  }
  if (text.includes('\0')) throw invalidReadme('readme', 'is not UTF-8 text')
  return text.replaceAll('\r\n', '\n')
}

export const invalidReadme = (field: string, message: string, cause?: unknown) =>
  new AppError('invalid_readme', { fields: [{ field, message }], cause })
