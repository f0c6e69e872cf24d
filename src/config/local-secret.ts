import { randomBytes, randomUUID } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/**
 * A random secret of 256 bits that is kept in a file only its owner can read. Processes that start
 * together all get the same one: the file appears whole, and only once.
 * @throws Error when the file is there but empty
 */
export async function loadOrCreateLocalSecret(dir: string, name: string): Promise<string> {
  const path = join(dir, name)
  const existing = await readFile(path, 'utf8').catch(ignoreMissing)
  if (existing === undefined) await createSecret(path)
  const secret = existing ?? (await readFile(path, 'utf8'))
  if (secret.trim() === '') throw new Error(`${path} is empty: delete it, and a new secret is made`)
  return secret.trim()
}

async function createSecret(path: string): Promise<void> {
  await makeFolder(dirname(resolve(path)))
  const draft = `${path}.${randomUUID()}`
  try {
    const secret = randomBytes(32).toString('base64url')
    // To the disk before it has a name: what it locks must not outlive it in a loss of power.
    await writeFile(draft, secret, { mode: 0o600, flag: 'wx', flush: true })
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Others may walk through, not look around: started by root, PostgreSQL runs as another user, with
 * its files in here. A strict umask would have kept it out.
 */
async function makeFolder(dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true, mode: 0o711 })
  if (first === undefined) return
  for (let made = dir; made.length >= first.length; made = dirname(made)) await chmod(made, 0o711)
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
