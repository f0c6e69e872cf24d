import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

type Pair = {
  client: Socket
  server: Socket
  swallows: boolean
  /** No statement is under way: the server has said that it is ready. */
  isIdle: boolean
  isLeaving: boolean
}

/**
 * A link to what listens at `url` that a test can spoil: silent, it takes bytes and passes none on, and
 * no end sees an end; cut, both see one.
 */
export async function tcpProxy(t: Test, url: string) {
  let target = new URL(url)
  const pairs = new Set<Pair>()
  let isSilent = false
  let isRefusing = false
  let onAnswer: ((chunk: Buffer, cut: () => void) => boolean) | undefined

  const server = createServer((client) => {
    if (isRefusing) {
      client.destroy()
      return
    }
    const upstream = connect(Number(target.port || 5432), target.hostname)
    const pair = { client, server: upstream, swallows: false, isIdle: false, isLeaving: false }
    pairs.add(pair)
    pass(client, upstream, pair)
    pass(upstream, client, pair)
  })
  const sockets = ({ client, server: upstream }: Pair) => [client, upstream]

  function pass(from: Socket, to: Socket, pair: Pair): void {
    let wasSilent = isSilent
    from.on('data', (chunk: Buffer) => {
      // What was lost once is lost: the connection is of no use any more, and nobody tells.
      wasSilent ||= isSilent
      if (wasSilent) return
      if (from === pair.server && pair.swallows) {
        pair.swallows = !chunk.subarray(-6).equals(readyForQuery)
        return
      }
      if (from === pair.server && onAnswer && !onAnswer(chunk, () => cutPair(pair))) return
      to.write(chunk)
      pair.isIdle = from === pair.server && chunk.subarray(-6).equals(readyForQuery)
      if (pair.isIdle && pair.isLeaving) to.end(() => cutPair(pair))
    })
    from.on('error', () => undefined)
    from.on('close', () => {
      if (!isSilent && !wasSilent) to.destroy()
      if (from === pair.client) pair.server.destroy()
      pairs.delete(pair)
    })
  }

  function cutPair(pair: Pair): void {
    for (const socket of sockets(pair)) socket.destroy()
  }

  function cut(): void {
    for (const pair of pairs) cutPair(pair)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    cut()
    server.close()
  })
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as { port: number }).port)

  return {
    url: through.href.replace(/\/$/, ''),
    /** Connections that are open. */
    get count() {
      return pairs.size
    },
    silence: () => void (isSilent = true),
    /** For connections made from now on; those that were silent stay so. */
    restore: () => {
      isSilent = false
      isRefusing = false
    },
    cut,
    /** Where connections go from now on. */
    retarget: (to: string) => void (target = new URL(to)),
    /** Moves everybody elsewhere so that no statement fails: a connection ends between two of them. */
    moveTo: (to: string) => {
      target = new URL(to)
      for (const pair of pairs) {
        pair.isLeaving = true
        if (pair.isIdle) cutPair(pair)
      }
    },
    /** A statement in the client's name, of which the client learns nothing. */
    inject: (sql: string) => {
      for (const pair of pairs) {
        pair.swallows = true
        pair.server.write(queryMessage(sql))
      }
    },
    /** Cuts, and lets nobody in. */
    refuse: () => {
      isRefusing = true
      cut()
    },
    /** Sees each piece of an answer; what it returns false for is not passed on. */
    onAnswer: (listener: typeof onAnswer) => void (onAnswer = listener),
  }
}

/** A simple query as PostgreSQL's protocol has it, and how its answer ends. */
function queryMessage(sql: string): Buffer {
  const message = Buffer.from(`Q....${sql}\0`)
  message.writeInt32BE(message.length - 1, 1)
  return message
}
const readyForQuery = Buffer.from('Z\0\0\0\x05I')

export type TcpProxy = Awaited<ReturnType<typeof tcpProxy>>
