import { execFile } from 'node:child_process'
import { access, chmod, chown, constants, mkdtemp, readdir } from 'node:fs/promises'
import { rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { instead, type Binaries } from './binaries.js'
import { environment, user, type Place } from './server.js'

/**
 * Our own folder, which another user may walk through where PostgreSQL runs as one.
 * @throws Error when it is another's
 */
export async function requireUsable(dataDir: string): Promise<void> {
  const { mode, uid } = await stat(dataDir)
  if (process.getuid?.() === 0) {
    if (uid === 0 && (mode & 0o011) !== 0o011) await chmod(dataDir, mode | 0o011)
    return
  }
  await access(dataDir, constants.W_OK).catch((cause: unknown) => {
    const message = `${dataDir} belongs to user ${uid}: start as that one, set DATA_DIR to another folder`
    throw new Error(`${message}, or ${instead}`, { cause })
  })
}

/** The cluster appears whole, by a rename, so that a start that was killed leaves none by halves. */
export async function createCluster({ initdb }: Binaries, place: Place): Promise<void> {
  const { dataDir, cluster, password, identity } = place
  await removeDrafts(dataDir)
  if (await stat(cluster).catch(() => undefined)) return
  const draft = await mkdtemp(join(dataDir, draftPrefix))
  const passwordFile = join(draft, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (identity) {
    await chown(draft, identity.uid, identity.gid)
    await chown(passwordFile, identity.uid, identity.gid)
  }
  const made = join(draft, 'cluster')
  // The builtin provider sorts the same everywhere; the system's may change with an upgrade.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const rest = ['--auth=scram-sha-256', '--encoding=UTF8', '--no-sync', '--no-instructions']
  const flags = [`--username=${user}`, `--pwfile=${passwordFile}`, ...locale, ...rest]
  const options = { cwd: draft, env: environment, windowsHide: true, ...identity }
  await promisify(execFile)(initdb, ['-D', made, ...flags], options).catch((cause: unknown) => {
    throw new Error(`cannot make the embedded database: ${instead}`, { cause })
  })
  await rename(made, cluster)
  await rm(draft, { recursive: true })
}

const draftPrefix = 'postgres-draft-'

/** A draft that somebody still writes to may stay: no later one has its name. */
async function removeDrafts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(draftPrefix)) continue
    await rm(join(dataDir, name), { recursive: true, force: true }).catch(() => undefined)
  }
}
