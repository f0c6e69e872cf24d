import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { meanings, notes, valueTexts } from './log-lines.js'
import { code, page, table } from './markdown.js'

type LogLine = { level: string; text: string; fields: string[] }

const root = new URL('../../src/', import.meta.url)
const levels = ['fatal', 'error', 'warn', 'info', 'debug']

/** Messages that stand in a constant, by its name. */
const texts = new Map<string, string>()

/** The fields that these functions of src/db/outage.ts return. */
const fieldsOfCalls: Record<string, string[]> = {
  fieldsOf: ['code', 'reason'],
  failureFields: ['code', 'reason', 'err'],
}

/** src/log/output.ts writes it without the logger. */
const lostLines = {
  level: 'warn',
  text: 'log lines were lost',
  fields: ['count', 'code'],
}

const intro = `JSON, a line each, on stdout. On a terminal, short lines for people take its place, and each request has one at \`info\`. \`LOG_LEVEL\` is the lowest level that is written. Each line has \`level\`, \`time\` and \`msg\`, and the
fields below. Words in italics stand for a value. [Read the log](../operations.md#read-the-log) says how floods of lines are bounded.`

const fieldsIntro = `## Fields of many lines

- \`err\` has the \`type\`, \`message\`, \`code\`, \`stack\` and \`cause\` of an error. A fault of a connection to the database has
  \`code\` or \`reason\` instead, without a stack.
- \`reqId\` is the \`X-Request-Id\` of the answer. \`req\` has the \`method\`, \`path\` and \`ip\` of the request.
- \`ms\` is a time in milliseconds. \`count\` is the number of events that the line stands for, and \`by\` counts them by kind.`

/** Every line that the source writes. */
export function logPage(): string {
  const lines = logLines()
  const alarms = lines.filter(({ level }) => isAlarm(level))
  const others = lines.filter(({ level }) => !isAlarm(level))
  // Background work logs a fault of the connection at debug, and any other error as a warning.
  const noteOf = (text: string) =>
    notes[text] ?? (meanings[text] ? 'As above, because the database is lost.' : '')
  return page(
    'Log',
    intro,
    `## Lines that may need you\n\n${tableOf(alarms, (text) => meanings[text] ?? '')}`,
    `## Other lines\n\n${tableOf(others, noteOf)}`,
    fieldsIntro,
  )
}

function tableOf(lines: LogLine[], meaningOf: (text: string) => string): string {
  const rows = lines.map(({ level, text, fields }) => [
    level,
    text,
    fields.map(code).join(' '),
    meaningOf(text),
  ])
  return table(['level', 'line', 'fields', 'what it means, what to do'], rows)
}

export const isAlarm = (level: string) => levels.indexOf(level) <= levels.indexOf('warn')

/** The lines, found in the calls of `log`. Two calls with one level and text are one line. */
export function logLines(): LogLine[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  const merged = new Map<string, LogLine>()
  for (const line of [
    ...files.filter((name) => name.endsWith('.ts')).flatMap(linesOf),
    lostLines,
  ]) {
    const key = `${String(levels.indexOf(line.level))} ${line.text}`
    const before = merged.get(key)
    const fields = [...new Set([...(before?.fields ?? []), ...line.fields])]
    merged.set(key, { ...line, fields })
  }
  return [...merged].sort(([one], [other]) => one.localeCompare(other)).map(([, line]) => line)
}

function linesOf(name: string): LogLine[] {
  const text = readFileSync(new URL(name, root), 'utf8')
  if (!/\blog\b/.test(text)) return []
  const source = ts.createSourceFile(
    fileURLToPath(new URL(name, root)),
    text,
    ts.ScriptTarget.Latest,
  )
  const objects = new Map<string, ts.ObjectLiteralExpression>()
  const found: LogLine[] = []
  visit(source)
  return found

  function visit(node: ts.Node): void {
    if (ts.isVariableDeclaration(node) && node.initializer) {
      const { initializer } = node
      if (ts.isStringLiteral(initializer)) texts.set(node.name.getText(source), initializer.text)
      if (ts.isObjectLiteralExpression(initializer)) {
        objects.set(node.name.getText(source), initializer)
      }
    }
    if (ts.isCallExpression(node)) addLines(node)
    ts.forEachChild(node, visit)
  }

  function addLines({ expression, arguments: [first, second, third] }: ts.CallExpression): void {
    if (expression.getText(source) === 'logFailure' && third) {
      for (const level of ['warn', 'debug']) add(level, ['err'], third)
    }
    if (!ts.isPropertyAccessExpression(expression) || !first) return
    const level = expression.name.text
    const isLog = /\blog$/.test(expression.expression.getText(source))
    if (isLog && levels.includes(level)) add(level, second ? namesOf(first) : [], second ?? first)
  }

  function add(level: string, fields: string[], message: ts.Expression): void {
    for (const text of messagesOf(level, message)) found.push({ level, text, fields })
  }

  function namesOf(node: ts.Expression): string[] {
    if (ts.isCallExpression(node)) return fieldsOfCalls[node.expression.getText(source)] ?? []
    const object = ts.isIdentifier(node) ? objects.get(node.text) : node
    if (!object || !ts.isObjectLiteralExpression(object)) return []
    return object.properties.flatMap((each) =>
      ts.isSpreadAssignment(each) ? namesOf(each.expression) : each.name.getText(source),
    )
  }

  function messagesOf(level: string, node: ts.Expression): string[] {
    if (ts.isStringLiteral(node)) return [node.text]
    const expression = node.getText(source)
    if (ts.isTemplateExpression(node))
      return [expression.slice(1, -1).replaceAll(/\$\{([^}]*)\}/g, '…')]
    // First: another file may have a constant of the same name.
    return valueTexts[`${level} ${expression}`] ?? [texts.get(expression) ?? code(expression)]
  }
}
