import { v7 as uuidv7 } from 'uuid'
import type { Config } from '../config/load.js'
import type { Pool } from '../db/pool.js'
import { createConfiguredRotation } from '../features/tokens/configured-rotation.js'
import { createStore } from '../store.js'

/**
 * The key rotation without the other services. It works even if a stored key cannot be opened, which
 * keeps the services from starting.
 */
export function openRotation(config: Config, db: Pool, keysSecret: string) {
  const ignore = () => undefined
  const store = createStore(db, {
    denyFor: 0,
    idleTtl: 0,
    grace: config.REFRESH_GRACE,
    keysSecret,
    publicUrl: '',
    newId: uuidv7,
    onMessage: ignore,
    onDenied: ignore,
    onDoubt: ignore,
  })
  return createConfiguredRotation(config, store)
}
