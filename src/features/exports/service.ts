import type { UnitOfWork } from '../../db/unit-of-work.js'
import { readStored } from '../passwords/foreign/stored.js'
import type { ImportKeyRepository } from '../passwords/import-key-repository.js'
import type { RoleRepository } from '../roles/repository.js'
import { sealKeys } from './keys.js'
import type { ExportRepository } from './repository.js'

type Repositories = {
  exports: ExportRepository
  importKeys: Pick<ImportKeyRepository, 'list'>
  roles: Pick<RoleRepository, 'list'>
}

type Options = {
  /** Seals the keys of imported hashes. Without it those hashes are left out. */
  passphrase: string | undefined
  /** Writes a line. It resolves when more may be written. */
  write: (line: string) => Promise<void>
}

export type ExportTotals = {
  users: number
  /** How many password hashes were left out, because they need a key. */
  withoutHash: number
}

const batchSize = 500

/** Exports every user as NDJSON: a first line about the export, then a line for each user. */
export function createExportService({ store }: { store: UnitOfWork<Repositories> }) {
  return {
    run: ({ passphrase, write }: Options): Promise<ExportTotals> =>
      store.transaction(async (tx) => {
        const totals = { users: 0, withoutHash: 0 }
        await tx.exports.begin()
        const roles = (await tx.roles.list()).map(({ name }) => name)
        const keys = passphrase === undefined ? [] : await tx.importKeys.list()
        const sealed =
          passphrase !== undefined && keys.length > 0
            ? { keys: await sealKeys(keys, passphrase) }
            : {}
        await write(JSON.stringify({ gatehouse_export: 1, roles, ...sealed }))
        for (;;) {
          const users = await tx.exports.next(batchSize)
          for (const user of users) {
            const isLeftOut = passphrase === undefined && needsKey(user.password_hash)
            totals.users += 1
            if (isLeftOut) totals.withoutHash += 1
            await write(JSON.stringify(isLeftOut ? { ...user, password_hash: null } : user))
          }
          if (users.length < batchSize) return totals
        }
      }),
  }
}

export type ExportService = ReturnType<typeof createExportService>

function needsKey(hash: string | null): boolean {
  const recipe = hash === null ? undefined : readStored(hash)?.recipe
  return recipe !== undefined && 'key' in recipe && recipe.key !== undefined
}
