import { execFile } from 'node:child_process'
import { access, chmod, chown, constants, mkdir, mkdtemp } from 'node:fs/promises'
import { rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { loadOrCreateLocalSecret } from '../../config/local-secret.js'
import { chooseIdentity, locateBinaries, requireReachable } from './binaries.js'

export type Cluster = Awaited<ReturnType<typeof openCluster>>

// PostgreSQL gets no variable of ours: some are secrets, and PGOPTIONS would change its settings.
const env = { LC_ALL: 'C', TZ: 'UTC' }

/** The cluster of the folder, made if it is missing. `run` runs a program of PostgreSQL in it. */
export async function openCluster(dataDir: string) {
  const programs = await locateBinaries()
  const password = await loadOrCreateLocalSecret(dataDir, 'postgres-password')
  await access(dataDir, constants.W_OK)
  const [path, drafts] = [join(dataDir, 'postgres'), join(dataDir, 'postgres-drafts')]
  const identity = await chooseIdentity(path)
  if (identity) {
    await chmod(dataDir, (await stat(dataDir)).mode | 0o011)
    for (const folder of [programs, dataDir]) await requireReachable(folder, identity)
  }
  const run = async (program: 'initdb' | 'pg_ctl', args: string[], cwd = path) => {
    const options = { cwd, env, timeout: 120_000, windowsHide: true, ...identity }
    await promisify(execFile)(join(programs, program), args, options).catch((error: unknown) => {
      const { stderr, message } = error as Error & { stderr?: string }
      throw new Error((stderr || message).trim(), { cause: error })
    })
  }
  try {
    if (!(await exists(path))) await createCluster()
  } catch (error) {
    if (!(await exists(path))) throw error
  } finally {
    await rm(drafts, { recursive: true, force: true, maxRetries: 5 })
  }
  return { path, password, run }

  /** The rename lets the cluster appear whole. If several processes make one, the first is taken. */
  async function createCluster(): Promise<void> {
    await mkdir(drafts, { recursive: true })
    const draft = await mkdtemp(join(drafts, 'draft-'))
    const passwordFile = join(draft, 'password')
    await writeFile(passwordFile, password, { mode: 0o600 })
    for (const file of [drafts, draft, passwordFile]) {
      if (identity) await chown(file, identity.uid, identity.gid)
    }
    const login = ['--username=gatehouse', `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
    // The builtin provider sorts the same everywhere; the system's may change with an upgrade.
    const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    await run('initdb', ['-D', 'made', ...login, '--encoding=UTF8', ...locale, '--no-sync'], draft)
    await rename(join(draft, 'made'), path)
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
