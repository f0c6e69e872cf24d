import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OperatorError } from '../errors.js'
import { LoginError } from './gatehouse-api.js'

/** A login as it is stored. `expires_at` is that of the access token, in milliseconds since 1970. */
export type StoredLogin = {
  url: string
  access_token: string
  expires_at: number
  /** Of a login by name and password. */
  refresh_token?: string
  /** Of a login with an API key. */
  api_key?: string
}

/** After this time the process that made a lock has died, in milliseconds. A refresh takes 15 s at most. */
const lockLife = 30_000
const lockPause = 50

/** The folder of a person's settings: that of the XDG base directory specification, or of Windows. */
export function folderOf(env: Record<string, string | undefined>, platform: string): string {
  const { APPDATA, XDG_CONFIG_HOME } = env
  if (platform === 'win32' && APPDATA) return join(APPDATA, 'gatehouse')
  return join(
    XDG_CONFIG_HOME?.startsWith('/') ? XDG_CONFIG_HOME : join(homedir(), '.config'),
    'gatehouse',
  )
}

/** The file of the login, which only its owner can read. */
export function createLoginFile(folder: string) {
  const file = join(folder, 'login.json')
  const lock = join(folder, 'login.lock')

  return {
    /** @throws LoginError without a login; OperatorError if the file is damaged */
    async read(): Promise<StoredLogin> {
      const text = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new LoginError('You are not logged in: run "gatehouse login URL USER"', 4, { cause })
      })
      try {
        return JSON.parse(text) as StoredLogin
      } catch (cause) {
        throw new OperatorError(`${file} is damaged: delete it and log in again`, { cause })
      }
    },

    /** Replaces the file in one step, so that no other process reads half of it. */
    async write(login: StoredLogin): Promise<void> {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const temporary = `${file}.${randomUUID()}`
      const handle = await open(temporary, 'wx', 0o600)
      try {
        await handle.writeFile(JSON.stringify(login))
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, file)
    },

    remove: (): Promise<void> => rm(file, { force: true }),

    /**
     * Runs `work` while no other process does, so that parallel commands share one refresh. @throws LoginError
     */
    async exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await takeLock()
      try {
        return await work()
      } finally {
        await rm(lock, { force: true })
      }
    },
  }

  async function takeLock(): Promise<void> {
    const end = Date.now() + 2 * lockLife
    while (Date.now() < end) {
      try {
        const handle = await open(lock, 'wx', 0o600)
        await handle.close()
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      // Should two processes remove the lock of a dead one, both refresh: the server then answers the same tokens.
      if (await isAbandoned()) await rm(lock, { force: true })
      else await sleep(lockPause)
    }
    throw new LoginError(`Another command holds ${lock}: try again later`, 5)
  }

  async function isAbandoned(): Promise<boolean> {
    const found = await stat(lock).catch(() => undefined)
    return found !== undefined && Date.now() - found.mtimeMs > lockLife
  }
}
