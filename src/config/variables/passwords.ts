import { Type } from '@sinclair/typebox'

/** How passwords are hashed, and which are accepted. */
export const passwords = {
  ARGON2_MEMORY: Type.Integer({
    default: 19_456,
    minimum: 1_024,
    maximum: 1_048_576,
    description: 'argon2id memory in KiB',
  }),
  ARGON2_ITERATIONS: Type.Integer({
    default: 2,
    minimum: 1,
    maximum: 10,
    description: 'argon2id passes',
  }),
  ARGON2_PARALLELISM: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 16,
    description: 'argon2id lanes of each hash',
  }),
  HASH_LANES: Type.Integer({
    minimum: 1,
    maximum: 128,
    description:
      'passwords hashed at the same time; by default the number of CPU cores, at most 16, and fewer if ARGON2_MEMORY for each does not fit into the container',
  }),
  HASH_QUEUE: Type.Integer({
    default: 128,
    minimum: 0,
    maximum: 10_000,
    description: 'passwords that may wait to be hashed; further requests get 503',
  }),
  PASSWORD_MIN_LENGTH: Type.Integer({
    default: 8,
    minimum: 8,
    maximum: 64,
    description: 'minimum number of characters in a new password',
  }),
}
