import { readdir, readFile } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../src', import.meta.url))

/** A folder of src, a folder of features, or a file of src. */
function roomOf(path: string): string {
  const [first = '', second = ''] = path.split('/')
  return first === 'features' ? `${first}/${second}` : first
}

/** What a file imports of src, types included. */
function importsOf(path: string, text: string): string[] {
  const statements = text.matchAll(
    /^(?:import|export)\b[^'"]*?'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm,
  )
  return [...statements].map(([, by, at]) =>
    normalize(join(path, '..', by ?? at ?? '')).replace(/\.js$/, '.ts'),
  )
}

type Rooms = Map<string, Set<string>>

async function readRooms(): Promise<Rooms> {
  const rooms: Rooms = new Map()
  for (const path of await readdir(root, { recursive: true })) {
    if (!path.endsWith('.ts')) continue
    const from = roomOf(path)
    const to = rooms.get(from) ?? new Set()
    for (const file of importsOf(path, await readFile(join(root, path), 'utf8'))) {
      if (roomOf(file) !== from) to.add(roomOf(file))
    }
    rooms.set(from, to)
  }
  return rooms
}

/** Rooms that import each other, directly or by way of others: each set is a knot. */
function knotsOf(rooms: Rooms): string[][] {
  const reach = new Map([...rooms.keys()].map((room) => [room, reachOf(room, rooms)]))
  const knots = new Map<string, string[]>()
  for (const [room, reached] of reach) {
    if (!reached.has(room)) continue
    const knot = [...reached].filter((other) => reach.get(other)?.has(room)).sort()
    knots.set(knot.join(), knot)
  }
  return [...knots.values()]
}

function reachOf(room: string, rooms: Rooms): Set<string> {
  const reached = new Set<string>()
  const next = [room]
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    for (const other of rooms.get(at) ?? []) {
      if (!reached.has(other)) next.push(other)
      reached.add(other)
    }
  }
  return reached
}

t.test('rooms import each other in one direction only', async (t) => {
  const rooms = await readRooms()
  t.ok(rooms.size > 25, `${rooms.size} rooms`)
  t.ok(rooms.get('app.ts')?.has('features/users'), 'imports are read')
  t.same(knotsOf(rooms), [])
})

t.test('the architecture fits into one list', async (t) => {
  const entries = await readdir(root)
  t.ok(entries.length <= 22, `${entries.length} entries`)
})

t.test('a knot is found', async (t) => {
  const rooms = new Map([
    ['a', new Set(['b'])],
    ['b', new Set(['c'])],
    ['c', new Set(['a', 'd'])],
    ['d', new Set<string>()],
  ])
  t.same(knotsOf(rooms), [['a', 'b', 'c']])
})
