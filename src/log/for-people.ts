import { escapeControls } from './escape.js'

type Output = { write(line: string): void }
type Line = Record<string, unknown> & {
  level?: string
  time?: string
  msg?: string
  err?: Logged
  req?: { method?: string; path?: string }
  status?: number
  ms?: number
}
type Logged = { type?: string; message?: string; code?: unknown; stack?: string; cause?: Logged }

const codes = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 }
type Colour = keyof typeof codes

const colourOf: Record<string, Colour> = {
  fatal: 'red',
  error: 'red',
  warn: 'yellow',
  info: 'green',
  debug: 'dim',
  trace: 'dim',
}
const indent = '  '

/**
 * Turns the JSON lines of the log into lines for a terminal. It shows nothing that the JSON hides, because it
 * reads the finished lines.
 */
export function createOutputForPeople(to: Output, { colour }: { colour: boolean }): Output {
  const paint = (name: Colour, text: string) =>
    colour ? `\u001b[${String(codes[name])}m${text}\u001b[0m` : text

  return {
    write(line) {
      to.write(format(line))
    },
  }

  function format(json: string): string {
    let line: Line
    try {
      line = JSON.parse(json) as Line
    } catch {
      return json
    }
    const { level = 'info', time = '', msg = '', err, ...rest } = line
    const at = paint('dim', new Date(time).toTimeString().slice(0, 8))
    const head = `${at} ${paint(colourOf[level] ?? 'bold', level.padEnd(5))}`
    if (msg === 'request') return `${head} ${requestOf(rest)}\n`
    const fields = Object.entries(rest).map(([name, value]) => `${name}=${toText(value)}`)
    const short = fields.join(' ')
    const isShort = short.length <= 100
    const inline = isShort && short ? ` ${paint('dim', short)}` : ''
    const below = isShort ? [] : fields
    const lines = [...below, ...(err ? errorLines(err) : [])].map((each) => `${indent}${each}\n`)
    return `${head} ${escapeControls(msg)}${inline}\n${lines.join('')}`
  }

  function requestOf({ req = {}, status = 0, ms = 0, reqId }: Line): string {
    const name = status < 300 ? 'green' : status < 400 ? 'cyan' : status < 500 ? 'yellow' : 'red'
    const id = status < 500 ? '' : ` reqId=${toText(reqId)}`
    const path = escapeControls(req.path ?? '')
    return `${escapeControls(req.method ?? '')} ${path} ${paint(name, String(status))} ${paint('dim', `${String(ms)} ms${id}`)}`
  }
}

function errorLines({ type = 'Error', message = '', code, stack, cause }: Logged): string[] {
  const title = `${type}: ${message}${code === undefined ? '' : ` (${toText(code)})`}`
  const frames = (stack ?? '').split('\n').filter((each) => /^\s+at /.test(each))
  return [
    ...title.split('\n').map(escapeControls),
    ...frames.map((each) => indent + escapeControls(each.trim())),
    ...(cause ? errorLines(cause).map((each) => `${indent}${each}`) : []),
  ]
}

const toText = (value: unknown) =>
  escapeControls(typeof value === 'string' ? value : JSON.stringify(value))
