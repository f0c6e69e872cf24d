import { randomBytes, randomUUID } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

/**
 * Reads a secret from a file, or creates it: 256 random bits, readable by the owner only. Processes that start
 * together get the same secret, because the file is created atomically.
 * @throws Error if the file is empty
 */
export async function loadOrCreateLocalSecret(dir: string, name: string): Promise<string> {
  const path = join(dir, name)
  const existing = await readFile(path, 'utf8').catch(ignoreMissing)
  if (existing === undefined) await createSecret(path)
  const secret = existing ?? (await readFile(path, 'utf8'))
  if (secret.trim() === '') throw new Error(`${path} is empty: delete it to create a new secret`)
  return secret.trim()
}

async function createSecret(path: string): Promise<void> {
  await makeFolder(dirname(resolve(path)))
  const draft = `${path}.${randomUUID()}`
  try {
    const secret = randomBytes(32).toString('base64url')
    // Flush before linking: after a power loss the data that it encrypts must not exist without it.
    await writeFile(draft, secret, { mode: 0o600, flag: 'wx', flush: true })
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Other users may enter the folder, but not list it. If root starts the service, PostgreSQL runs as another
 * user and has its files in here. chmod is needed because a strict umask would remove that permission.
 */
async function makeFolder(dir: string): Promise<void> {
  const first = await mkdir(dir, { recursive: true, mode: 0o711 })
  if (first === undefined) return
  for (let made = dir; made.length >= first.length; made = dirname(made)) await chmod(made, 0o711)
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
