import { readFile } from 'node:fs/promises'
import { OperatorError } from '../errors.js'
import { openKeys, type SealedKeys } from '../features/exports/keys.js'

/** The first line of an export of Gatehouse. */
export type ExportHead = { roles: string[]; keys: SealedKeys | undefined }

/** Undefined if the row is not the first line of an export. */
export function readExportHead(
  values: Record<string, unknown> | undefined,
): ExportHead | undefined {
  if (values?.gatehouse_export !== 1) return undefined
  const { roles, keys } = values as { roles?: unknown; keys?: SealedKeys }
  const names = Array.isArray(roles) ? roles.map(String) : []
  return { roles: names.filter((name) => /^[a-z][a-z0-9_-]{0,62}$/.test(name)), keys }
}

/** @throws OperatorError */
export async function readPassphrase(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new OperatorError(`${path} cannot be read: ${reason}`, { cause })
  })
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase.length >= 16) return passphrase
  throw new OperatorError(`The passphrase in ${path} must have at least 16 characters`)
}

/** @throws OperatorError */
export async function openExportedKeys(keys: SealedKeys, path: string | undefined) {
  if (path === undefined) {
    throw new OperatorError('The export has hashes that need a key: add --passphrase-file')
  }
  const passphrase = await readPassphrase(path)
  return openKeys(keys, passphrase).catch((cause: unknown) => {
    throw new OperatorError(`The passphrase in ${path} does not open the keys of the export`, {
      cause,
    })
  })
}
