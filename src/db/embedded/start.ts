import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { OperatorError } from '../../errors.js'
import { openCluster, type Cluster } from './cluster.js'
import { connect, launch, lock, readPidFile, type Server } from './server.js'

type Options = {
  dataDir: string
  /** A command may be a guest. A server must be the owner. */
  shared?: boolean
  /** Off in tests, whose data may be lost if the machine fails. */
  durable?: boolean
}

export type EmbeddedPostgres = { url: string; stop(): Promise<void> }

// Advisory locks.
const owner = 1
const guests = 2

/**
 * A PostgreSQL for development. The process that starts it is its owner and stops it at the end. If
 * the owner was killed, the next server becomes the owner. A command beside the owner is a guest.
 * @throws OperatorError
 */
export async function startEmbeddedPostgres(options: Options): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir)
  try {
    return await start(await openCluster(dataDir), options)
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    const message = `the embedded PostgreSQL in DATA_DIR=${dataDir} cannot be used: ${problem}`
    throw new OperatorError(`${message}. To use another one, set DATABASE_URL`, { cause })
  }
}

async function start(cluster: Cluster, { shared = false, durable = true }: Options) {
  let isOwner = false
  let isLaunching = false
  let stopping: Promise<void> | undefined
  process.on('exit', stopAtOnce)
  const { pid, url, session } = await open().catch((error: unknown) => {
    stopAtOnce()
    throw error
  })
  return { url, stop: () => (stopping ??= leave()) }

  async function open(): Promise<Server> {
    const end = performance.now() + 30_000
    let problem: unknown = new Error('it does not answer')
    for (let launches = 0; launches < 10 && performance.now() < end;) {
      try {
        const server = await connect(cluster)
        if (server) return await claim(server)
        launches += 1
        isOwner = isLaunching = true // so that an exit during the launch stops it
        try {
          await launch(cluster, durable)
        } catch (error) {
          isOwner = false
          throw error
        } finally {
          isLaunching = false
        }
      } catch (error) {
        if (error instanceof OperatorError) throw error
        problem = error
        await sleep(50)
      }
    }
    throw problem
  }

  async function claim(server: Server): Promise<Server> {
    const { session } = server
    isOwner = (isOwner || !shared) && (await lock(session, `pg_advisory_lock(${owner})`))
    if (!isOwner && !shared) throw new OperatorError(await describeOwner(session))
    if (!isOwner) await lock(session, `pg_advisory_lock_shared(${guests})`)
    // A PostgreSQL that stops frees the locks of its other sessions.
    if (!readPidFile(cluster)?.isReady) throw new Error('it is stopping')
    session.unref() // the process may end without stop()
    return server
  }

  async function leave(): Promise<void> {
    if (isOwner && readPidFile(cluster)?.pid === pid) {
      await lock(session, `pg_advisory_lock(${guests})`).catch(() => undefined)
      await cluster.run('pg_ctl', ['stop', '-D', '.', '-t', '10']).catch(() => undefined)
    }
    process.off('exit', stopAtOnce)
    void session.end()
  }

  /** A fast shutdown. Only SIGKILL ends this process without it. */
  function stopAtOnce(): void {
    process.off('exit', stopAtOnce)
    if (!isOwner) return
    let running = readPidFile(cluster)
    // During the launch the file is missing or empty for a moment. An exit handler can only wait by blocking.
    for (let waits = 0; isLaunching && !running && waits < 200; waits += 1) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      running = readPidFile(cluster)
    }
    if (running) process.kill(running.pid, 'SIGINT')
  }
}

async function describeOwner(session: pg.Client): Promise<string> {
  const { rows } = await session.query<{ name: string }>(
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and objid = ${owner} and granted`,
  )
  await session.end()
  return `${rows[0]?.name ?? 'another process'} uses it: stop that process, or set another DATA_DIR`
}
