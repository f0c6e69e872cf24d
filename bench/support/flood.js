// Sends a request from so many clients at a time, again and again: `node flood.js PORT WIDTH REQUEST`. A client that is
// refused for overload waits a quarter of a second. Runs until it is killed.
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const [port, width, text] = process.argv.slice(2)
const { method, path, headers, body } = JSON.parse(text)
const agent = new Agent({ keepAlive: true })

await Promise.all(
  Array.from({ length: Number(width) }, async () => {
    for (;;) {
      const status = await send().catch(() => 503)
      if (status === 503) await sleep(250)
    }
  }),
)

function send() {
  return new Promise((resolve, reject) => {
    const options = { agent, port, host: '127.0.0.1', method, path, headers }
    const request = httpRequest(options, (reply) =>
      reply
        .resume()
        .on('error', reject)
        .on('end', () => resolve(reply.statusCode)),
    )
    request.on('error', reject).end(body)
  })
}
