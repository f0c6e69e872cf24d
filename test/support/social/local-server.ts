import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { listen } from '../listen.js'

/** A request, with its whole body. */
export type Asked = IncomingMessage & { body: string }

/** A plain HTTP server until the test ends. @returns its origin */
export function localServer(
  t: Test,
  serve: (request: Asked, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      serve(Object.assign(request, { body: Buffer.concat(chunks).toString() }), response)
    })
  })
  return listen(t, server)
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(body))
}
