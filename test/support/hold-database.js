// Runs the embedded PostgreSQL for the tests until it is told to end. Plain JavaScript on the built
// code, because it outlives the process, and the loader, of global-before.
import { rm } from 'node:fs/promises'
import { startEmbeddedPostgres } from '../../dist/db/embedded/start.js'

const dataDir = process.argv[2]
const { url, stop } = await startEmbeddedPostgres({ dataDir, durable: false })
process.stdout.write(`${url}\n`)
const alive = setInterval(() => undefined, 60_000)

process.once('SIGTERM', async () => {
  clearInterval(alive)
  await stop()
  await rm(dataDir, { recursive: true, force: true })
})
