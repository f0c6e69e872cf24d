import type { Source } from '../../src/features/denylist/sources.js'
import type { ModelDatabase } from './model-database.js'
import type { ModelServer } from './model-server.js'
import type { Random } from './random.js'
import type { VirtualTime } from './virtual-time.js'

type Options = { time: VirtualTime; database: ModelDatabase; random: Random; listens: boolean }

/**
 * The way to the database: slow, silent, cut, deaf, as the die falls, until `heal`. A connection
 * that was silent or is deaf stays so: nobody tells.
 */
export function createModelNetwork({ time, database, random, listens }: Options) {
  const links = new Set<Link>()
  let isUp = true
  let isFaulty = true
  type Link = {
    isCut: boolean
    isSilent: boolean
    isDeaf: boolean
    /** Where it leads; undefined where that is the primary of the moment, as behind a pooler. */
    server: ModelServer | undefined
    hear: () => void
    cut: () => void
  }

  const often = (share: number) => isFaulty && random() < share
  const delay = () => (often(0.1) ? random() * 2_000 : 1 + random() * 20)

  async function connect(): Promise<Source> {
    if (often(0.1)) return new Promise(() => undefined)
    await time.clock.sleep(delay())
    if (!isUp || often(0.2)) throw new Error('no connection')
    const link = createLink()
    links.add(link)
    if (listens && often(0.05)) link.isDeaf = true
    return createSource(link)
  }

  function createLink(): Link & { pending: Set<(error: Error) => void> } {
    const pending = new Set<(error: Error) => void>()
    const link = {
      pending,
      isCut: false,
      isSilent: false,
      isDeaf: false,
      server: listens ? database.primary : undefined,
      hear: () => undefined,
      cut() {
        link.isCut = true
        links.delete(link)
        for (const fail of pending) fail(new Error('cut'))
        link.hear()
      },
    }
    return link
  }

  function createSource(link: ReturnType<typeof createLink>): Source {
    let hasNews = false
    let wake: () => void = () => undefined
    link.hear = () => {
      hasNews = true
      wake()
    }

    /** Asked now, done after a while, answered after another. */
    function ask<Result>(act: (server: ModelServer) => Result): Promise<Result> {
      return new Promise((resolve, reject) => {
        if (link.isCut) {
          reject(new Error('cut'))
          return
        }
        link.pending.add(reject)
        time.after(delay(), () => {
          if (link.isCut || link.isSilent) return
          if (often(0.01)) link.isSilent = true // between the act and its answer
          const result = act(link.server ?? database.primary)
          time.after(delay(), () => {
            if (!link.isSilent) resolve(result)
            link.pending.delete(reject)
          })
        })
      })
    }

    return {
      position: () => ask((server) => server.position()),
      async delta(since) {
        hasNews = false
        const delta = await ask((server) => server.delta(since))
        if (link.isDeaf) throw new Error('the connection no longer listens')
        return delta
      },
      page: (from, to) => ask((server) => server.page(from, to)),
      waitForChange: (ms) =>
        new Promise((resolve) => {
          if (listens) wake = resolve
          time.after(listens && (hasNews || link.isCut) ? 0 : ms, resolve)
        }),
      close: () => void links.delete(link),
    }
  }

  function some(act: (link: Link) => void): void {
    for (const link of links) if (random() < 0.7) act(link)
  }

  return {
    connect,

    /** Lost, late or twice, where it is heard at all. */
    notify(): void {
      if (!listens) return
      for (const link of links) {
        const hear = () => {
          if (!link.isSilent && !link.isDeaf) link.hear()
        }
        if (!often(0.3)) time.after(delay(), hear)
        if (often(0.2)) time.after(delay() * 3, hear)
      }
    },

    cut: () => some((link) => link.cut()),
    silence: () => some((link) => void (link.isSilent = true)),
    deafen: () => some((link) => void (link.isDeaf = listens)),

    restart(ms: number): void {
      isUp = false
      for (const link of links) link.cut()
      database.crash()
      time.after(ms, () => void (isUp = true))
    },

    /**
     * A standby that lagged takes over, and no query fails. A connection that listens is cut between two
     * of them, moved, or left on the old primary, which still answers.
     */
    failOver(lag: number): void {
      database.failOver(lag)
      const die = random()
      for (const link of links) {
        if (!listens) continue
        if (die < 0.3) link.cut()
        else if (die < 0.6) link.server = database.primary
      }
    },

    /** The server crashes and recovers between two queries: a pool notices nothing. */
    crashUnnoticed(): void {
      if (listens) for (const link of links) link.cut()
      database.crash()
    },

    /** What the pool answers, which is always on the primary. */
    async poolHistory(): Promise<string> {
      await time.clock.sleep(delay())
      return database.primary.position().history
    },

    /** From now on all goes well, but for what is out of order already. */
    heal(): void {
      isFaulty = false
    },
  }
}

export type ModelNetwork = ReturnType<typeof createModelNetwork>
