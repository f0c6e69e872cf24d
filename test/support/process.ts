import { readFileSync } from 'node:fs'

/** Whether a process runs. One that has ended counts as ended, even if its parent has not noticed. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const state = /\) (\S)/.exec(readOptional(`/proc/${pid}/stat`))?.[1]
  return state !== 'Z' && state !== 'X'
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
