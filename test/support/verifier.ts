import { createVerifier, type VerifierOptions } from '@gatehouse/verify'
import { once } from 'node:events'
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { listen } from './listen.js'

type Rewrite = (
  path: string,
  answer: { status: number; headers: IncomingMessage['headers']; body: string },
) => { status: number; headers?: Record<string, string>; body: string } | 'hang' | undefined

/** A proxy in front of a service: it counts, and answers what a test wants it to. */
export async function startProxy(t: Test, target: string) {
  const seen: string[] = []
  let rewrite: Rewrite = () => undefined
  const server = createServer((request, response) => {
    const { url = '' } = request
    seen.push(url)
    pass(target, url)
      .then((answer) => reply(response, answer, rewrite(url, answer)))
      .catch(() => response.destroy())
  })
  const origin = await listen(t, server)
  return {
    origin,
    seen,
    /** What becomes of each answer from now on. */
    rewrite: (next: Rewrite) => (rewrite = next),
    pass: () => (rewrite = () => undefined),
  }
}

type Answer = Parameters<Rewrite>[1]

function reply(response: ServerResponse, answer: Answer, changed: ReturnType<Rewrite>): void {
  if (changed === 'hang') return
  const { 'content-type': type, 'cache-control': cache } = answer.headers
  response.writeHead(changed?.status ?? answer.status, {
    'content-type': type,
    ...(cache && { 'cache-control': cache }),
    ...changed?.headers,
  })
  response.end(changed?.body ?? answer.body)
}

async function pass(target: string, path: string) {
  const asked = ask(new URL(path, target), { agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const { statusCode: status = 0, headers } = answer
  return { status, headers, body: Buffer.concat(chunks).toString() }
}

export const issuer = 'http://localhost:3000'

/** A verifier of tokens of the test's service, and what it complained of. */
export function startVerifier(t: Test, url: string, options: Partial<VerifierOptions> = {}) {
  const errors: string[] = []
  const verifier = createVerifier({
    ...{ issuer, url, onError: (error) => errors.push(error.message), ...options },
  })
  t.teardown(() => verifier.close())

  /** The code that a token is refused with, or `good`. */
  const verdict = async (token: string): Promise<string> => {
    try {
      await verifier.verify(token)
      return 'good'
    } catch (error) {
      return (error as { code?: string }).code ?? String(error)
    }
  }
  return { ...verifier, verdict, errors }
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void
