// What a group of processes uses, from /proc.
import { readdirSync, readFileSync } from 'node:fs'

const ticks = 100 // per second (USER_HZ)

function membersOf(group) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        // A child may have a group of its own.
        const [, parent, of] = fields.map(Number)
        return of === group || parent === group ? [{ pid, fields }] : []
      } catch {
        return [] // it has ended
      }
    })
}

/** CPU time in ms, of the processes and of their children that have ended. */
export const cpuOf = (group) =>
  membersOf(group).reduce(
    (sum, { fields }) =>
      sum + ([11, 12, 13, 14].reduce((all, at) => all + Number(fields[at]), 0) * 1_000) / ticks,
    0,
  )

/** Memory in MB: what the processes have for themselves, and their share of what they have in common. */
export const memoryOf = (group) => membersOf(group).reduce((sum, { pid }) => sum + shareOf(pid), 0)

function shareOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
    return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1_024
  } catch {
    return 0 // it has ended
  }
}
