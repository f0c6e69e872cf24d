import type { Config } from '../../config/load.js'
import { createKeyRotation } from './rotation.js'

type Store = Parameters<typeof createKeyRotation>[0]['store']

/** Whether JWT_SECRET is the only signing key, so that no key is stored or rotated. */
export const hasFixedKey = ({ JWT_ALGORITHM, JWT_SECRET }: Config) =>
  JWT_ALGORITHM === 'HS256' && JWT_SECRET !== undefined

/** The key rotation with the algorithm and lifetimes of the configuration. */
export function createConfiguredRotation(config: Config, store: Store) {
  return createKeyRotation({
    store,
    algorithm: config.JWT_ALGORITHM,
    rotation: config.KEY_ROTATION,
    lifetimes: { accessTtl: config.ACCESS_TOKEN_TTL, refreshTtl: config.REFRESH_TOKEN_TTL },
  })
}
