import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { v7 as uuidv7 } from 'uuid'
// The services cannot start while KEYS_SECRET opens nothing.
// eslint-disable-next-line @typescript-eslint/no-restricted-imports
import { createAuditRepository } from '../features/audit/repository.js'
import { operator } from '../http/caller.js'
import type { Config } from '../config/load.js'
import { OperatorError } from '../errors.js'
import type { Resources } from '../open-resources.js'
import { createSeal } from '../crypto/seal.js'
import { countSealed, reseal, reset } from '../db/sealed-values.js'
import { hasFixedKey } from '../services.js'
import { generateKey } from '../features/tokens/key-pair.js'
import { createKeyRepository } from '../features/tokens/key-repository.js'

type Options = {
  withResources: (work: (resources: Resources, config: Config) => Promise<void>) => Promise<void>
  print: (line: string) => void
}

const restart = 'Restart every instance with the present KEYS_SECRET now.'

/** `gatehouse keys reseal` and `gatehouse keys reset`: another KEYS_SECRET. */
export function secretCommands(keys: Command, { withResources, print }: Options): void {
  keys
    .command('reseal')
    .description(
      'change KEYS_SECRET: FILE holds the old secret, the environment the new one. ' +
        'Users log in again when their access token has expired. Typed codes and marks of devices end',
    )
    .requiredOption('--from <file>', 'a file with the old secret')
    .action(({ from }: { from: string }) =>
      withResources(async ({ db, keysSecret }) => {
        const { resealed, unchanged } = await reseal(db, readSecret(from), keysSecret)
        print(`${String(resealed)} sealed values resealed, ${String(unchanged)} were already`)
        print(restart)
      }),
    )

  keys
    .command('reset')
    .description(
      'when KEYS_SECRET is lost: delete every signing key and every session, and create a new key. ' +
        'Every user must log in again. Without --yes the command only counts them',
    )
    .option('--yes', 'confirm')
    .action(({ yes }: { yes?: boolean }) =>
      withResources(async ({ db, keysSecret }, config) => {
        const { keys: count, sessions } = await countSealed(db)
        const what = `${String(count)} signing keys (every sealed value) and ${String(sessions)} sessions`
        if (!yes) {
          throw new OperatorError(
            `keys reset deletes ${what}, and everybody must log in again: add --yes to mean it`,
          )
        }
        const key = hasFixedKey(config) ? undefined : await generateKey(config.JWT_ALGORITHM)
        await reset(db, async (tx) => {
          if (key) await createKeyRepository(tx, createSeal(keysSecret, 'signing keys')).add(key, 0)
          const detail = { kid: '*', why: 'reset', keys: count, sessions }
          const entry = { event: 'key.removed', caller: operator, detail } as const
          await createAuditRepository(tx, uuidv7).add(entry)
        })
        print(`${what} are deleted`)
        if (key) print(`${key.kid} signs from now on`)
        print(restart)
      }),
    )
}

/** As `KEYS_SECRET_FILE` is read. @throws OperatorError */
function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new OperatorError(`${file} cannot be read`, { cause })
  }
}
