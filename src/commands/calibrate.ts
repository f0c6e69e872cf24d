import { SingleBar } from 'cli-progress'
import type { Hashing } from '../features/passwords/child-process.js'

type Options = {
  hashing: Hashing
  /** In milliseconds. */
  target: number
  lanes: number
  print: (line: string) => void
}

type Setting = { memory: number; iterations: number }

// In order of cost. The first is OWASP's minimum and the default of Gatehouse. Memory is in KiB.
const settings: Setting[] = [
  { memory: 19_456, iterations: 2 },
  { memory: 32_768, iterations: 2 },
  { memory: 47_104, iterations: 2 },
  { memory: 65_536, iterations: 2 },
  { memory: 65_536, iterations: 3 },
  { memory: 131_072, iterations: 3 },
]
const rounds = 5

const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] ?? 0

/** Measures how long a password hash takes here, and prints the strongest setting within `target` milliseconds. */
export async function calibrate({ hashing, target, lanes, print }: Options): Promise<void> {
  await hashing.describe() // starts it
  const bar = new SingleBar({ format: 'hashing [{bar}] {value}/{total}', hideCursor: true })
  const isTerminal = process.stderr.isTTY
  if (isTerminal) bar.start(settings.length * rounds, 0)
  const measured: (Setting & { ms: number })[] = []
  for (const setting of settings) {
    const times: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const start = performance.now()
      await hashing.hash('correct horse battery', { ...setting, parallelism: 1 })
      times.push(performance.now() - start)
      if (isTerminal) bar.increment()
    }
    measured.push({ ...setting, ms: median(times) })
    // The next settings take even longer.
    if (median(times) > target) break
  }
  bar.stop()

  print('ARGON2_MEMORY  ARGON2_ITERATIONS   ms/hash  logins/second')
  for (const { memory, iterations, ms } of measured) {
    const cells = [
      String(memory).padStart(13),
      String(iterations).padStart(18),
      ms.toFixed(0).padStart(9),
      ((1_000 / ms) * lanes).toFixed(0).padStart(14),
    ]
    print(cells.join(' '))
  }
  const best = measured.filter(({ ms }) => ms <= target).at(-1) ?? measured[0]
  print(`\nThe strongest setting within ${String(target)} ms, with ${String(lanes)} lanes:`)
  print(`ARGON2_MEMORY=${String(best?.memory)} ARGON2_ITERATIONS=${String(best?.iterations)}`)
}
