import type { Algorithm } from '@gatehouse/verify/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import { operator, scheduler, type Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { livesOf, planOf, signerOf, type Lifetimes } from '../../config/key-life.js'
import { generateKey, type KeyPair } from './key-pair.js'
import type { KeyRepository, StoredKeys } from './key-repository.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  keys: Pick<KeyRepository, 'add' | 'load' | 'lock' | 'open' | 'remove' | 'signNow'>
}

type Options = {
  store: UnitOfWork<Repositories>
  algorithm: Algorithm
  /** How long a key signs, in seconds. */
  rotation: number
  lifetimes: Lifetimes
}

/** A key that signs, or will; `made` is false where one was published already. */
export type Rotated = { kid: string; signs_from: string; made: boolean }

/**
 * Who makes and removes signing keys; the keyring of each instance follows. What is done is decided
 * from the keys as they are under a lock, so that of many who want the same one does it.
 */
export function createKeyRotation({ store, algorithm, rotation, lifetimes }: Options) {
  const lived = ({ keys }: StoredKeys) => livesOf(keys, lifetimes)
  const planFor = (stored: StoredKeys, every = rotation) =>
    planOf(lived(stored), { algorithm, rotation: every, now: stored.now })

  return {
    /** Makes the key that signs new tokens where there is none: what an instance needs to start. */
    async ensure(): Promise<void> {
      const { publish } = planFor(await store.keys.load(), Infinity)
      if (!publish) return
      const key = await generateKey(algorithm)
      await exclusively(async (tx, stored) => {
        const plan = planFor(stored, Infinity)
        if (plan.publish) await publishFor(tx, stored, key, plan.publish.delay)
      })
    },

    /**
     * Does what is due by what was loaded: publishes the next key, removes those whose tokens have
     * all expired. Whether it changed anything: another instance may be at it.
     */
    async tend(loaded: StoredKeys): Promise<boolean> {
      const { publish, expired } = planFor(loaded)
      if (!publish && expired.length === 0) return false
      const key = publish && (await generateKey(algorithm))
      return store.transaction(async (tx) => {
        if (!(await tx.keys.lock())) return false
        const stored = await load(tx)
        const plan = planFor(stored)
        if (key && plan.publish) await publishFor(tx, stored, key, plan.publish.delay)
        for (const { kid } of plan.expired) await remove(tx, scheduler, kid, 'expired')
        return true
      })
    },

    /** Publishes the next key, unless that is done, to sign after so many seconds; 0 is at once. */
    async rotate(delay: number): Promise<Rotated> {
      const key = await generateKey(algorithm)
      return exclusively((tx, stored) => {
        const next = nextOf(stored)
        if (!next) return publish(tx, operator, key, delay)
        if (delay === 0) return promote(tx, operator, next)
        return Promise.resolve({ kid: next.kid, signs_from: next.signs_from, made: false })
      })
    },

    /**
     * Removes a key: what it signed is refused from now on. Where it is the one that signs, the
     * next takes its place at once, which is made if need be.
     * @throws AppError `not_found`
     */
    remove: (kid: string) => removeAs(operator, kid, 'by hand'),

    /** Removes keys again that came back because a failover lost their removal. */
    async removeAgain(kids: string[]): Promise<void> {
      for (const kid of kids) {
        await removeAs(scheduler, kid, 'removal was lost').catch((error: unknown) => {
          const isGone = error instanceof AppError && error.code === 'not_found'
          if (!isGone) throw error // gone: another instance was quicker
        })
      }
    },

    /** The keys as they are now, in the order in which they sign, and which of them does. */
    async list() {
      const stored = await store.keys.load()
      const keys = lived(stored)
      return { keys, now: stored.now, signer: signerOf(keys, algorithm, stored.now)?.kid }
    },
  }

  async function removeAs(caller: Caller, kid: string, why: string): Promise<Rotated | undefined> {
    const key = await generateKey(algorithm)
    return exclusively(async (tx, stored) => {
      if (!stored.keys.some((found) => found.kid === kid)) throw new AppError('not_found')
      const isSigner = signerOf(lived(stored), algorithm, stored.now)?.kid === kid
      await remove(tx, caller, kid, why)
      if (!isSigner) return undefined
      const next = nextOf(stored)
      return next ? promote(tx, caller, next) : publish(tx, caller, key, 0)
    })
  }

  /**
   * Runs `work` when nobody else changes the keys, on the keys as they are then. Who waits holds no
   * connection: many instances may start at once.
   * @throws AppError `unavailable` after ten seconds
   */
  async function exclusively<Result>(
    work: (tx: Repositories, stored: StoredKeys) => Promise<Result>,
  ): Promise<Result> {
    for (let tries = 0; tries < 200; tries += 1) {
      const done = await store.transaction(async (tx) =>
        (await tx.keys.lock()) ? { result: await work(tx, await load(tx)) } : undefined,
      )
      if (done) return done.result
      await sleep(50)
    }
    throw new AppError('unavailable')
  }

  /**
   * The keys as they are now.
   * @throws Error when none of them is sealed with our secret: no other instance could open what we add
   */
  async function load(tx: Repositories): Promise<StoredKeys> {
    const stored = await tx.keys.load()
    const faults = stored.keys.flatMap((key) => {
      try {
        tx.keys.open(key)
        return []
      } catch (error) {
        return [error as Error]
      }
    })
    if (faults[0] && faults.length === stored.keys.length) throw faults[0]
    return stored
  }

  /** The published key of our algorithm that does not sign yet. */
  function nextOf({ keys, now }: StoredKeys) {
    return keys.find((key) => key.algorithm === algorithm && Date.parse(key.signs_from) > now)
  }

  /** The very first key takes the place of none: that is no rotation. */
  async function publishFor(tx: Repositories, { keys }: StoredKeys, key: KeyPair, delay: number) {
    if (keys.length === 0) await tx.keys.add(key, delay)
    else await publish(tx, scheduler, key, delay)
  }

  async function publish(tx: Repositories, caller: Caller, key: KeyPair, delay: number) {
    const signs_from = await tx.keys.add(key, delay)
    return rotated(tx, caller, { kid: key.kid, signs_from, made: true })
  }

  async function promote(tx: Repositories, caller: Caller, { kid }: { kid: string }) {
    const signs_from = await tx.keys.signNow(kid)
    return rotated(tx, caller, { kid, signs_from, made: false })
  }

  async function rotated(tx: Repositories, caller: Caller, key: Rotated): Promise<Rotated> {
    const { kid, signs_from } = key
    const detail = { kid, algorithm, signs_from }
    await tx.audit.add({ event: 'key.rotated', caller, detail })
    return key
  }

  async function remove(tx: Repositories, caller: Caller, kid: string, why: string): Promise<void> {
    await tx.keys.remove(kid)
    await tx.audit.add({ event: 'key.removed', caller, detail: { kid, why } })
  }
}

export type KeyRotation = ReturnType<typeof createKeyRotation>
