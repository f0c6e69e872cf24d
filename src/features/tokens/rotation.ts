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

/** A key that signs, or will from `signs_from` (ISO 8601). `is_new` is false if it was published before. */
export type RotatedKey = { kid: string; signs_from: string; is_new: boolean }

/**
 * Creates and removes signing keys in the database; the keyring of each instance follows. Each change is
 * decided under a lock, so that only one of many instances makes it.
 */
export function createKeyRotation({ store, algorithm, rotation, lifetimes }: Options) {
  const withLives = ({ keys }: StoredKeys) => livesOf(keys, lifetimes)
  const planFor = (stored: StoredKeys, every = rotation) =>
    planOf(withLives(stored), { algorithm, rotation: every, now: stored.now })

  return {
    /** Makes sure that a key can sign new tokens, as the start of an instance needs. */
    async ensure(): Promise<void> {
      const { publish } = planFor(await store.keys.load(), Infinity)
      if (!publish) return
      const key = await generateKey(algorithm)
      await exclusively(async (tx, stored) => {
        const plan = planFor(stored, Infinity)
        if (plan.publish) await publishNext(tx, stored, key, plan.publish.delay)
      })
    },

    /**
     * Publishes the next key when it is due, and removes keys whose tokens have all expired. Returns
     * false if nothing is due, or if another instance has the lock.
     */
    async maintain(loaded: StoredKeys): Promise<boolean> {
      const { publish, expired } = planFor(loaded)
      if (!publish && expired.length === 0) return false
      const key = publish && (await generateKey(algorithm))
      return store.transaction(async (tx) => {
        if (!(await tx.keys.lock())) return false
        const stored = await load(tx)
        const plan = planFor(stored)
        if (key && plan.publish) await publishNext(tx, stored, key, plan.publish.delay)
        for (const { kid } of plan.expired) await remove(tx, scheduler, kid, 'expired')
        return true
      })
    },

    /** Publishes the next key, if none is published, to sign after `delay` seconds; 0 means at once. */
    async rotate(delay: number): Promise<RotatedKey> {
      const key = await generateKey(algorithm)
      return exclusively((tx, stored) => {
        const next = nextOf(stored)
        if (!next) return publish(tx, operator, key, delay)
        if (delay === 0) return promote(tx, operator, next)
        return Promise.resolve({ kid: next.kid, signs_from: next.signs_from, is_new: false })
      })
    },

    /**
     * Removes a key: its tokens are refused from now on. If the key was signing, the next key signs at
     * once, and is created if necessary. Returns the new signing key, or undefined.
     * @throws AppError `not_found`
     */
    remove: (kid: string) => removeAs(operator, kid, 'by hand'),

    /** Removes keys again whose removal was lost in a failover. */
    async removeAgain(kids: string[]): Promise<void> {
      for (const kid of kids) {
        await removeAs(scheduler, kid, 'removal was lost').catch((error: unknown) => {
          const isGone = error instanceof AppError && error.code === 'not_found'
          if (!isGone) throw error // another instance may have removed it first
        })
      }
    },

    /** Lists the keys in the order in which they sign. `signer` is the kid of the key that signs now. */
    async list() {
      const stored = await store.keys.load()
      const keys = withLives(stored)
      return { keys, now: stored.now, signer: signerOf(keys, algorithm, stored.now)?.kid }
    },
  }

  async function removeAs(
    caller: Caller,
    kid: string,
    why: string,
  ): Promise<RotatedKey | undefined> {
    const key = await generateKey(algorithm)
    return exclusively(async (tx, stored) => {
      if (!stored.keys.some((found) => found.kid === kid)) throw new AppError('not_found')
      const isSigner = signerOf(withLives(stored), algorithm, stored.now)?.kid === kid
      await remove(tx, caller, kid, why)
      if (!isSigner) return undefined
      const next = nextOf(stored)
      return next ? promote(tx, caller, next) : publish(tx, caller, key, 0)
    })
  }

  /**
   * Runs `work` with the present keys under the lock. It retries without holding a connection, because
   * many instances may start at once.
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
   * Loads the present keys.
   * @throws Error if this KEYS_SECRET unseals none of them: other instances could not unseal a new key
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

  /** The published key of the configured algorithm that does not sign yet. */
  function nextOf({ keys, now }: StoredKeys) {
    return keys.find((key) => key.algorithm === algorithm && Date.parse(key.signs_from) > now)
  }

  /** The first key of all replaces no key, so it is not audited as a rotation. */
  async function publishNext(tx: Repositories, { keys }: StoredKeys, key: KeyPair, delay: number) {
    if (keys.length === 0) await tx.keys.add(key, delay)
    else await publish(tx, scheduler, key, delay)
  }

  async function publish(tx: Repositories, caller: Caller, key: KeyPair, delay: number) {
    const signs_from = await tx.keys.add(key, delay)
    return auditRotation(tx, caller, { kid: key.kid, signs_from, is_new: true })
  }

  async function promote(tx: Repositories, caller: Caller, { kid }: { kid: string }) {
    const signs_from = await tx.keys.signNow(kid)
    return auditRotation(tx, caller, { kid, signs_from, is_new: false })
  }

  async function auditRotation(
    tx: Repositories,
    caller: Caller,
    key: RotatedKey,
  ): Promise<RotatedKey> {
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
