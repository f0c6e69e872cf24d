import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

const sockets = new AsyncLocalStorage<string>()
let isFollowing = false

/**
 * Remembers the address of the socket for each request. Astro's `clientAddress` is the first value of
 * X-Forwarded-For, which any visitor can set.
 */
export function followSockets(): void {
  if (isFollowing) return
  isFollowing = true
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage }
    sockets.enterWith(request.socket.remoteAddress ?? '')
  })
}

/** The visitor's address: the socket's, or what named proxies say of it, read from right to left. */
export function createAddressOf(proxies: string) {
  const isTrusted = trusting(proxies)
  return (forwardedFor: string | null): string | undefined => {
    let address = plain(sockets.getStore() ?? '')
    const hops = (forwardedFor ?? '').split(',').map((hop) => plain(hop.trim()))
    while (isTrusted(address)) {
      const hop = hops.pop()
      if (hop === undefined || isIP(hop) === 0) break
      address = hop
    }
    return isIP(address) === 0 ? undefined : address
  }
}

/** An IPv4 address of a socket that also takes IPv6 begins with `::ffff:`. */
const plain = (address: string) => address.replace(/^::ffff:(?=[\d.]+$)/i, '')

/** @throws RangeError for a value that is neither an address nor a network */
function trusting(proxies: string): (address: string) => boolean {
  const list = new BlockList()
  for (const proxy of proxies.split(',').map((each) => each.trim())) {
    if (proxy === '') continue
    const [address = '', bits] = proxy.split('/')
    const type = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const length = bits === undefined ? (type === 'ipv6' ? 128 : 32) : Number(bits)
    if (isIP(address) === 0 || !Number.isInteger(length)) {
      throw new RangeError(`GATEHOUSE_SITE_PROXIES: "${proxy}" is neither an address nor a network`)
    }
    list.addSubnet(address, length, type)
  }
  return (address) =>
    isIP(address) > 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}
