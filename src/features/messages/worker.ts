import type { FastifyBaseLogger } from 'fastify'
import { withDeadline } from '../../concurrency/deadline.js'
import { AppError } from '../../errors.js'
import { isLinkFault, logFailure } from '../../db/outage.js'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { OutboxRepository, QueuedMessage } from './repository.js'

type Options = {
  kind: AddressKind
  outbox: OutboxRepository
  deliver: (queued: QueuedMessage) => Promise<void>
  log: FastifyBaseLogger
}

const parallel = 10
// In seconds. A claim lasts longer than any delivery. Messages older than maxAge are dropped.
const claimTime = 60
const deadline = 45
const maxAge = 86_400
// In milliseconds.
const pollEvery = 2_000
const delayAfterPut = 20
const stopTimeout = 3_000

/** The pause before the next attempt in seconds. It doubles, up to five minutes, and varies by 20 %. */
const backoff = (attempts: number) =>
  Math.min(300, 2 ** (attempts - 1)) * (0.8 + Math.random() * 0.4)

/**
 * Sends the queued messages of one kind of address, each at least once. A provider that hangs or refuses
 * holds up only its own messages. If the process dies, another process sends the rest.
 */
export function createOutboxWorker({ kind, outbox, deliver, log }: Options) {
  const active = new Set<Promise<void>>()
  let timer: NodeJS.Timeout | undefined
  let next = Infinity
  let isClaiming = false
  let isStopped = true

  async function send(queued: QueuedMessage): Promise<void> {
    const { id, message, attempts, age } = queued
    try {
      await withDeadline(deliver(queued), deadline * 1_000)
      await outbox.delete(id)
    } catch (err) {
      const isExpired = age > maxAge
      if (isExpired)
        log.error({ err, message, kind, attempts }, 'message not sent within a day, dropped')
      else if (err instanceof AppError && isLinkFault(err))
        log.debug({ err, message, kind, attempts }, 'message not sent, retrying')
      else log.warn({ err, message, kind, attempts }, 'message not sent, retrying')
      await (isExpired ? outbox.delete(id) : outbox.postpone(id, backoff(attempts))).catch(
        () => undefined, // the message is due again when the claim ends
      )
    }
  }

  async function work(): Promise<void> {
    const free = parallel - active.size
    if (isClaiming || isStopped || free === 0) return
    isClaiming = true
    try {
      const claimed = await outbox.claim(kind, free, claimTime)
      for (const queued of claimed) {
        const sending = send(queued).finally(() => {
          active.delete(sending)
          if (claimed.length === free) schedule(0)
        })
        active.add(sending)
      }
    } catch (err) {
      logFailure(log, err, 'outbox not readable, retrying')
    } finally {
      isClaiming = false
      schedule(pollEvery)
    }
  }

  /** Schedules the next run. An earlier run stays, so that a stream of new messages cannot delay it forever. */
  function schedule(delay: number): void {
    const at = performance.now() + delay
    if (isStopped || at >= next) return
    clearTimeout(timer)
    next = at
    timer = setTimeout(() => {
      next = Infinity
      void work()
    }, delay).unref()
  }

  return {
    start(): void {
      isStopped = false
      schedule(0)
    },
    /** Sends new messages soon. */
    wake: () => schedule(delayAfterPut),
    /** Waits a few seconds for messages in progress. Another process sends the rest. */
    async stop(): Promise<void> {
      isStopped = true
      clearTimeout(timer)
      await withDeadline(Promise.all(active), stopTimeout).catch(() => undefined)
    },
  }
}

export type OutboxWorker = ReturnType<typeof createOutboxWorker>
