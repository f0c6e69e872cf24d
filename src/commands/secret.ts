import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { v7 as uuidv7 } from 'uuid'
// These commands must work when the services cannot start because KEYS_SECRET decrypts no key.
// eslint-disable-next-line @typescript-eslint/no-restricted-imports
import { createAuditRepository } from '../features/audit/repository.js'
import { operator } from '../http/caller.js'
import { addExamples } from './examples.js'
import type { Config } from '../config/load.js'
import { OperatorError } from '../errors.js'
import type { Resources } from '../process/resources.js'
import { createSeal } from '../crypto/seal.js'
import { countSealed, reseal, reset } from '../db/sealed-values.js'
import { hasFixedKey } from '../features/tokens/configured-rotation.js'
import { generateKey } from '../features/tokens/key-pair.js'
import { createKeyRepository } from '../features/tokens/key-repository.js'

type Options = {
  withResources: (work: (resources: Resources, config: Config) => Promise<void>) => Promise<void>
  print: (line: string) => void
}

const restart = 'Restart every instance with this KEYS_SECRET now.'

/** Adds `gatehouse keys reseal` and `gatehouse keys reset`, which change KEYS_SECRET. */
export function secretCommands(keys: Command, { withResources, print }: Options): void {
  const resealing = keys
    .command('reseal')
    .description(
      'change KEYS_SECRET: FILE holds the old secret, the environment the new one. ' +
        'Users must log in again when their access token expires. Codes and marks of known devices end',
    )
    .requiredOption('--from <file>', 'a file with the old secret')
    .action(({ from }: { from: string }) =>
      withResources(async ({ db, keysSecret }) => {
        const { resealed, unchanged } = await reseal(db, readSecret(from), keysSecret)
        print(`${String(resealed)} sealed values resealed, ${String(unchanged)} already were`)
        print(restart)
      }),
    )
  addExamples(resealing, 'gatehouse keys reseal --from /run/secrets/old-keys-secret')

  const resetting = keys
    .command('reset')
    .description(
      'recover from a lost KEYS_SECRET: delete every signing key and every session, and create a new key. ' +
        'Every user must log in again. Without --yes the command only counts what it would delete',
    )
    .option('--yes', 'confirm')
    .action(({ yes }: { yes?: boolean }) =>
      withResources(async ({ db, keysSecret }, config) => {
        const { keys: count, sessions } = await countSealed(db)
        const summary = `${String(count)} signing keys (every sealed value) and ${String(sessions)} sessions`
        if (!yes) {
          throw new OperatorError(
            `keys reset deletes ${summary}, and every user must log in again: add --yes to confirm`,
          )
        }
        const key = hasFixedKey(config) ? undefined : await generateKey(config.JWT_ALGORITHM)
        await reset(db, async (tx) => {
          if (key) await createKeyRepository(tx, createSeal(keysSecret, 'signing keys')).add(key, 0)
          const detail = { kid: '*', why: 'reset', keys: count, sessions }
          const entry = { event: 'key.removed', caller: operator, detail } as const
          await createAuditRepository(tx, uuidv7).add(entry)
        })
        print(`${summary} are deleted`)
        if (key) print(`${key.kid} signs from now on`)
        print(restart)
      }),
    )
  addExamples(resetting, 'gatehouse keys reset', 'gatehouse keys reset --yes')
}

/** Reads a secret as `KEYS_SECRET_FILE` is read. @throws OperatorError */
function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new OperatorError(`${file} cannot be read: check its path and permissions`, { cause })
  }
}
