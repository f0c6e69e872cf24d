import { join, resolve } from 'node:path'
import { loadOrCreateLocalSecret } from '../../config/local-secret.js'
import { chooseIdentity, locateBinaries, requireReachable } from './binaries.js'
import { createCluster, requireUsable } from './cluster.js'
import { findServer, launchServer, urlOf, user } from './server.js'
import { createTenancy } from './tenants.js'
import { withLock } from './lock.js'

type Options = {
  dataDir: string
  log: { info(message: string): void; warn(message: string): void }
  /** Off in tests: what is lost with the machine is no loss there. */
  durable?: boolean
}

export type EmbeddedPostgres = {
  url: string
  /** Whether no other process used it when this one began to. */
  owned: boolean
  /** Stops it, unless another process uses it: then that one does so when it ends. */
  stop(): Promise<void>
}

const patience = 60_000

/**
 * A real PostgreSQL for development, in a folder: made at the first start, found again at the next,
 * adopted where a process that was killed left it running, shared by those that run together.
 * @throws Error that says what to do where it cannot run
 */
export async function startEmbeddedPostgres(options: Options): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir)
  const cluster = join(dataDir, 'postgres')
  const binaries = await locateBinaries()
  const password = await loadOrCreateLocalSecret(dataDir, 'postgres-password')
  await requireUsable(dataDir)

  return withLock(join(dataDir, 'start.lock'), patience, async () => {
    const identity = await chooseIdentity(cluster)
    if (identity) await requireReachable([binaries.postgres, dataDir], identity)
    const place = { dataDir, cluster, password, identity }
    // Before the look whether it runs: from here on no other that leaves stops it.
    const tenancy = createTenancy(dataDir)
    try {
      const owned = !tenancy.hasOthers()
      await createCluster(binaries, place)
      const { postgres } = binaries
      const { durable = true, log } = options
      const running = await findServer(place)
      if (running) log.info(`the embedded PostgreSQL is running already, as process ${running.pid}`)
      const { pid, port } =
        running ?? (await launchServer({ ...place, postgres, durable, onSpawn: tenancy.watch }))
      tenancy.watch(pid)
      return { url: urlOf(port, password, user), owned, stop: tenancy.stop }
    } catch (error) {
      tenancy.leave()
      throw error
    }
  })
}
