import type { Denial } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import { logFailure } from '../../db/outage.js'
import type { DenylistRepository } from './repository.js'

type Options = {
  denylist: Pick<DenylistRepository, 'findAccounts' | 'raiseEpochsAbove'>
  sessions: { end: (...ids: string[]) => Promise<void> }
  apiKeys: { deleteThese: (ids: string[]) => Promise<void> }
  log: FastifyBaseLogger
  clock: Pick<Clock, 'now' | 'sleep'>
}

const batchSize = 500
const pause = 1_000

/**
 * Writes denials again that the database acknowledged and then lost, for example by a failover to a
 * standby that lagged. Otherwise an ended session would be valid again when no instance remembers its end.
 */
export function createRestorer({ denylist, sessions, apiKeys, log, clock }: Options) {
  let waiting: Denial[] = []
  let running: Promise<void> | undefined
  let isStopped = false

  return {
    /** Returns at once. It retries until the denials are written or have expired. */
    restore(denials: Denial[]): void {
      waiting.push(...denials)
      if (waiting.length > 0) running ??= run()
    },

    async stop(): Promise<void> {
      isStopped = true
      await running
    },
  }

  async function run(): Promise<void> {
    while (waiting.length > 0 && !isStopped) {
      const now = clock.now() / 1_000
      const batch = waiting.slice(0, batchSize).filter(({ expires_at }) => expires_at > now)
      try {
        if (batch.length > 0) await write(batch)
        waiting = waiting.slice(batchSize)
      } catch (err) {
        logFailure(log, err, 'revocations lost in a failover not written back, retrying')
        await clock.sleep(pause)
      }
    }
    running = undefined
  }

  async function write(batch: Denial[]): Promise<void> {
    const ids = batch.flatMap(({ id, epoch }) => (epoch === undefined ? [id] : []))
    const epochs = batch.flatMap(({ id, epoch }) => (epoch === undefined ? [] : [{ id, epoch }]))
    // An account whose deletion was lost exists again. It is not deleted here: its owner or an operator decides.
    const accounts = new Set(ids.length > 0 ? await denylist.findAccounts(ids) : [])
    const ended = ids.filter((id) => !accounts.has(id))
    if (ended.length > 0) {
      // A key that was revoked exists again.
      await apiKeys.deleteThese(ended)
      await sessions.end(...ended)
    }
    if (epochs.length > 0) await denylist.raiseEpochsAbove(epochs)
    log.warn({ count: ended.length + epochs.length }, 'revocations lost in a failover written back')
    if (accounts.size > 0) {
      log.warn({ ids: [...accounts] }, 'account deletions lost in a failover')
    }
  }
}
