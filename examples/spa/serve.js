// Any web server can do this: the files of this folder, and @gatehouse/client below /client/.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { extname } from 'node:path'

const { GATEHOUSE = 'http://localhost:3000', PORT = '5000', client_id } = process.env
const packages = new URL('../../packages/client/dist/', import.meta.url)
const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' }
const policy = `default-src 'self'; img-src data:; connect-src ${GATEHOUSE}; frame-ancestors 'none'`
const config = `export const { gatehouse, clientId } = ${JSON.stringify({ gatehouse: GATEHOUSE, clientId: client_id })}\n`

createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  const path = pathname === '/' ? '/index.html' : pathname
  response.setHeader('content-security-policy', policy)
  response.setHeader('content-type', `${types[extname(path)] ?? 'text/plain'}; charset=utf-8`)
  if (path === '/config.js') return response.end(config)
  const [, folder = '', name] = /^\/(client\/)?([a-z-]+\.(?:js|css|html))$/.exec(path) ?? []
  if (!name || name === 'serve.js') return response.writeHead(404).end('Not found')
  createReadStream(new URL(name, folder ? packages : import.meta.url))
    .on('error', () => response.writeHead(404).end('Not found'))
    .pipe(response)
}).listen(Number(PORT), 'localhost', () => console.log(`http://localhost:${PORT}/`))
