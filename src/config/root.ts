import { existsSync } from 'node:fs'

/**
 * The folder of `package.json`, found from the sources and from the bundle in `dist/`. Below it are
 * `migrations/`, `dist/` and the views.
 */
export const root = findRoot(new URL('./', import.meta.url))

function findRoot(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder
  return findRoot(new URL('../', folder))
}
