import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { until } from './until.js'

export type ShortMessage = { to: string; text: string; code: string; token: string }

/** What stands behind SMS_WEBHOOK_URL: keeps the short messages that it gets, until the test ends. */
export async function phoneSink(t: Test) {
  const messages: ShortMessage[] = []
  const read = new Set<ShortMessage>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: ShortMessage }
      const code = /: (\d{8}) /.exec(data.text)?.[1] ?? ''
      const token = /\?token=([\w-]+)$/.exec(data.text)?.[1] ?? ''
      messages.push({ ...data, code, token })
      response.writeHead(204).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  return {
    messages,
    env: {
      SMS_WEBHOOK_URL: `http://127.0.0.1:${port}/sms`,
      SMS_WEBHOOK_SECRET: 'a-long-enough-Secret-of-the-webhook-9876543210',
    },
    /** The oldest message to a number that was not read yet, as soon as it is there. */
    async next(to: string): Promise<ShortMessage> {
      const find = () => messages.find((message) => message.to === to && !read.has(message))
      await until(() => find() !== undefined, `a short message to ${to}`)
      const message = find()!
      read.add(message)
      return message
    },
  }
}
