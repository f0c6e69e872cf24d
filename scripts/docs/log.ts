import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { code, page, table } from './markdown.js'

const root = new URL('../../src/', import.meta.url)
const levels = ['fatal', 'error', 'warn', 'info', 'debug']

/** Messages that stand in a constant, by its name. */
const texts = new Map<string, string>()

/** The fields that these functions of src/db/outage.ts return. */
const fieldsOfCalls: Record<string, string[]> = {
  fieldsOf: ['code', 'reason'],
  failureFields: ['code', 'reason', 'err'],
}

const intro = `JSON, a line each, on stdout. On a terminal, short lines for people take its place, and each request has one at \`info\`. \`LOG_LEVEL\` is the lowest level that is written. Each line has \`level\`, \`time\` and \`msg\`, and the
fields below. A line in code is a value: the code of an error, or its message. [Read the log](../operations.md#read-the-log) says how floods of lines are bounded.`

/** Every line that the source writes, found in its calls of \`log\`. */
export function logPage(): string {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  const lines = files.filter((name) => name.endsWith('.ts')).flatMap(linesOf)
  lines.sort((one, other) => rank(one).localeCompare(rank(other)))
  return page('Log', intro, table(['level', 'line', 'fields', 'written by'], lines))
}

const rank = ([level = '', line = '', , file = '']: string[]) =>
  `${String(levels.indexOf(level))} ${line} ${file}`

function linesOf(name: string): string[][] {
  const text = readFileSync(new URL(name, root), 'utf8')
  if (!/\blog\b/.test(text)) return []
  const source = ts.createSourceFile(
    fileURLToPath(new URL(name, root)),
    text,
    ts.ScriptTarget.Latest,
  )
  const found: string[][] = []
  visit(source)
  return found

  function visit(node: ts.Node): void {
    if (
      ts.isVariableDeclaration(node) &&
      node.initializer &&
      ts.isStringLiteral(node.initializer)
    ) {
      texts.set(node.name.getText(source), node.initializer.text)
    }
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const level = node.expression.name.text
      const isLog = /\blog$/.test(node.expression.expression.getText(source))
      const [first, second] = node.arguments
      if (isLog && levels.includes(level) && first) found.push(rowOf(level, first, second))
    }
    if (ts.isCallExpression(node) && node.expression.getText(source) === 'logFailure') {
      const [, , message] = node.arguments
      const row = (level: string) => [
        level,
        messageOf(message as ts.Expression),
        code('err'),
        code(`src/${name}`),
      ]
      found.push(row('warn'), row('debug'))
    }
    ts.forEachChild(node, visit)
  }

  function rowOf(level: string, first: ts.Expression, second?: ts.Expression): string[] {
    const fields = second ? namesOf(first) : []
    return [level, messageOf(second ?? first), fields.map(code).join(' '), code(`src/${name}`)]
  }

  function namesOf(node: ts.Expression): string[] {
    if (ts.isCallExpression(node)) return fieldsOfCalls[node.expression.getText(source)] ?? []
    if (!ts.isObjectLiteralExpression(node)) return []
    return node.properties.flatMap((each) =>
      ts.isSpreadAssignment(each) ? namesOf(each.expression) : each.name.getText(source),
    )
  }

  function messageOf(node: ts.Expression): string {
    if (ts.isStringLiteral(node)) return node.text
    const expression = node.getText(source)
    if (ts.isTemplateExpression(node))
      return expression.slice(1, -1).replaceAll(/\$\{([^}]*)\}/g, '…')
    return texts.get(expression) ?? code(expression)
  }
}
