import { setTimeout as sleep } from 'node:timers/promises'
import { listen, open, type Bytes, type Exchange } from './connection.js'

type Drip = { first: Bytes; piece: string; wait: number }

/**
 * Sends the first bytes, then a piece each second, and never hangs up. Whether the server did shows
 * only when a write is met by a reset: who has said goodbye may still hold the line.
 */
export async function trickle(origin: string, { first, piece, wait }: Drip): Promise<Exchange> {
  const socket = open(origin)
  const heard = listen(socket, wait, { untilGone: true })
  if (first.length > 0) socket.write(first)
  socket.once('end', () => (piece ||= ' '))
  while (!socket.destroyed) {
    await sleep(1_000)
    if (socket.writable && piece) socket.write(piece)
  }
  return heard
}
