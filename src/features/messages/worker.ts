import type { FastifyBaseLogger } from 'fastify'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { OutboxRepository, QueuedMessage } from './repository.js'

type Options = {
  kind: AddressKind
  outbox: OutboxRepository
  deliver: (queued: QueuedMessage) => Promise<void>
  log: FastifyBaseLogger
}

const parallel = 10
// In seconds: longer than any delivery can take; what is older is given up.
const hold = 60
const deadline = 45
const lifetime = 86_400
// In milliseconds.
const pollEvery = 2_000
const afterPut = 20
const farewell = 3_000

/** A second, and twice as long each time, up to five minutes; not all at once. */
const backoff = (attempts: number) =>
  Math.min(300, 2 ** (attempts - 1)) * (0.8 + Math.random() * 0.4)

/**
 * Sends what is in the outbox for one kind of address, each message at least once. A provider that
 * hangs or refuses holds up its own messages, and nothing else; what was not sent when the process
 * died is sent by the next.
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
      const isLost = age > lifetime
      const say = isLost ? 'a message was given up' : 'a message could not be sent yet'
      log[isLost ? 'error' : 'warn']({ err, message, kind, attempts }, say)
      await (isLost ? outbox.delete(id) : outbox.postpone(id, backoff(attempts))).catch(
        () => undefined, // then it is due again when the claim ends
      )
    }
  }

  async function work(): Promise<void> {
    const free = parallel - active.size
    if (isClaiming || isStopped || free === 0) return
    isClaiming = true
    try {
      const claimed = await outbox.claim(kind, free, hold)
      for (const queued of claimed) {
        const sending = send(queued).finally(() => {
          active.delete(sending)
          if (claimed.length === free) soon(0)
        })
        active.add(sending)
      }
    } catch (err) {
      log.warn({ err }, 'the outbox could not be read')
    } finally {
      isClaiming = false
      soon(pollEvery)
    }
  }

  /** An earlier appointment stands: a steady stream of messages must not put it off for ever. */
  function soon(delay: number): void {
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
      soon(0)
    },
    /** There is something new. */
    wake: () => soon(afterPut),
    /** Leaves what is not sent by then to the next process. */
    async stop(): Promise<void> {
      isStopped = true
      clearTimeout(timer)
      await withDeadline(Promise.all(active), farewell).catch(() => undefined)
    },
  }
}

export type OutboxWorker = ReturnType<typeof createOutboxWorker>

/** @throws Error after so many milliseconds */
async function withDeadline<Result>(work: Promise<Result>, ms: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`took longer than ${String(ms)} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
