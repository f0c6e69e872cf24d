import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'

/** One answer as it came over the wire. */
export type Answer = {
  status: number
  head: string
  headers: Record<string, string>
  body: string
}

/** What a connection heard until it ended. */
export type Exchange = {
  /** The final answers: 100 Continue is none. */
  answers: Answer[]
  /** What is no whole answer. */
  rest: string
  /** `open`: the server had not closed it when patience ended. */
  end: 'closed' | 'open'
  ms: number
}

export type Bytes = string | Buffer

/** The head in ISO 8859-1, so that every byte can be written; the body as it is. */
export type RawRequest = {
  method?: string
  target?: string
  version?: string
  /** Whole lines, without their ends. */
  headers?: string[]
  /** Sent instead of `Host: localhost` and `Connection: close`. */
  basics?: string[]
  body?: Bytes
  /** Content-Length goes with a body unless this is false. */
  measured?: boolean
}

const patience = 5_000

export function toBytes(request: RawRequest): Buffer {
  const { method = 'GET', target = '/', version = 'HTTP/1.1', headers = [], body } = request
  const { basics = ['Host: localhost', 'Connection: close'], measured = true } = request
  const content = Buffer.from(body ?? '')
  const length = body !== undefined && measured ? [`Content-Length: ${content.length}`] : []
  const line = `${method} ${target} ${version}`
  const head = [line, ...basics, ...headers, ...length, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), content])
}

/** Sends bytes and listens until the server closes; `half` says at once that no more will come. */
export async function exchange(
  origin: string,
  bytes: Buffer,
  { half = false } = {},
): Promise<Exchange> {
  const socket = open(origin)
  const heard = listen(socket, patience, { toHead: bytes.subarray(0, 5).toString() === 'HEAD ' })
  await write(socket, bytes)
  if (half) socket.end()
  return heard
}

/** A connection for who sends slowly, or nothing. A reset is an end like any other. */
export function open(origin: string): Socket {
  const { hostname, port } = new URL(origin)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
  return socket.on('error', () => undefined)
}

type Listening = {
  /** An answer to HEAD has no body. */
  toHead?: boolean
  /** Until the server has let go of the connection, not only said that it will say no more. */
  untilGone?: boolean
}

/** What the server says until it closes, or until patience ends. */
export function listen(
  socket: Socket,
  wait = patience,
  { toHead = false, untilGone = false }: Listening = {},
): Promise<Exchange> {
  const started = performance.now()
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  return new Promise((resolve) => {
    const finish = (end: Exchange['end']) => {
      clearTimeout(timer)
      socket.destroy()
      const ms = performance.now() - started
      resolve({ ...readAnswers(Buffer.concat(chunks), toHead), end, ms })
    }
    const timer = setTimeout(finish, wait, 'open')
    if (!untilGone) socket.once('end', () => finish('closed'))
    socket.once('close', () => finish('closed'))
  })
}

/** In pieces, and no further once an answer came: who is refused stops sending. */
async function write(socket: Socket, bytes: Buffer): Promise<void> {
  const size = 65_536
  for (let at = 0; at < bytes.length && socket.bytesRead === 0; at += size) {
    if (!socket.writable) return
    socket.write(bytes.subarray(at, at + size))
    // Turns of the event loop, not time: the service, which shares it, has then had its say.
    for (let turn = 0; turn < 20 && bytes.length > size; turn += 1) await setImmediate()
  }
}

function readAnswers(bytes: Buffer, toHead: boolean): Pick<Exchange, 'answers' | 'rest'> {
  const answers: Answer[] = []
  let rest = bytes.toString('latin1')
  for (;;) {
    const answer = readAnswer(rest, toHead)
    if (!answer) return { answers, rest }
    rest = rest.slice(answer.length)
    if (answer.status >= 200) answers.push(answer)
  }
}

function readAnswer(text: string, toHead: boolean): (Answer & { length: number }) | undefined {
  const end = text.indexOf('\r\n\r\n')
  const status = Number(/^HTTP\/1\.1 ([1-5]\d\d) /.exec(text)?.[1])
  if (end < 0 || !status) return undefined
  const head = text.slice(0, end)
  const fields = head.split('\r\n').slice(1)
  const headers = Object.fromEntries(
    fields.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  ) as Record<string, string>
  const from = end + 4
  const length = from + (toHead ? 0 : Number(headers['content-length'] ?? 0))
  const body = Buffer.from(text.slice(from, length), 'latin1').toString('utf8')
  return text.length < length ? undefined : { status, head, headers, body, length }
}
