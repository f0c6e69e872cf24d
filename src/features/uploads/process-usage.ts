import { readFileSync } from 'node:fs'

/** `cpu`: seconds of CPU time since the process started. `memory`: bytes of anonymous memory now. */
export type Usage = { cpu: number; memory: number }

/** Per second (USER_HZ): the same on every architecture that Node supports. */
const ticks = 100

/** Reads the usage of a process from /proc. Undefined if there is no /proc, or no such process. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Fields 14 and 15 of proc(5). Count them from the last `)`: the process name may contain any character.
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
 * The bytes that V8 reserves for code, as writable memory, without using them: half a gigabyte in Node 24. The
 * kernel counts them as data of the process, so a limit on data must add them.
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
