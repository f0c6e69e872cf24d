import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded/start.js'
import { tcpProxy } from './tcp-proxy.js'

/** A PostgreSQL of the test's own that can be stopped and started behind one address. */
export async function interruptibleDatabase(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-outage-'))
  await chmod(dataDir, 0o711)
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir })
  const link = await tcpProxy(t, server.url)
  t.teardown(async () => {
    await server.stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  return {
    url: link.url,
    stop: () => server.stop(),
    start: async () => {
      server = await startEmbeddedPostgres({ dataDir })
      link.retarget(server.url)
    },
  }
}
