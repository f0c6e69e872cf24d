import ipaddr from 'ipaddr.js'

/**
 * The network that counts as one client: an IPv4 address, or the /64 of an IPv6 address, because one
 * subscriber has a whole /64. All notations of one address give the same network.
 */
export function networkOf(address: string): string {
  // Some proxies append the port.
  const [, bare = address] = /^(?:\[(.+)\]|([0-9.]+)):\d+$/.exec(address)?.filter(Boolean) ?? []
  if (!ipaddr.isValid(bare)) return address.slice(0, 64)
  const parsed = ipaddr.process(bare.replace(/%.*$/, ''))
  if (parsed.kind() === 'ipv4') return parsed.toString()
  const { parts } = parsed as ipaddr.IPv6
  return `${parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}
