import { readFileSync } from 'node:fs'

/** Seconds of CPU time since the process began, and bytes of its own memory now. */
export type Usage = { cpu: number; memory: number }

const ticks = 100 // a second: USER_HZ, the same on every architecture that Node runs on

/** What the kernel says of a process; undefined where there is no /proc, or no such process. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Behind the name, which may hold anything: fields 14 and 15 of proc(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    const kilobytes = /^RssAnon:\s+(\d+)/m.exec(status)?.[1]
    return {
      cpu: (Number(fields[11]) + Number(fields[12])) / ticks,
      memory: Number(kilobytes ?? 0) * 1_024,
    }
  } catch {
    return undefined
  }
}

/**
 * Bytes that V8 reserves as writable for its code, without using them: half a gigabyte in Node 24.
 * They count as data of a process, so a limit on its data has to leave them out.
 */
export function reservedForCode(): number | undefined {
  try {
    const maps = readFileSync('/proc/self/maps', 'latin1')
    let sum = 0
    for (const [, from = '', to = ''] of maps.matchAll(/^(\w+)-(\w+) rwxp/gm)) {
      sum += parseInt(to, 16) - parseInt(from, 16)
    }
    return sum
  } catch {
    return undefined
  }
}
