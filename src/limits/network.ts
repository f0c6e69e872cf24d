import ipaddr from 'ipaddr.js'

/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which one subscriber has
 * all of. The spelling of an address makes no difference.
 */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address.slice(0, 64)
  const parsed = ipaddr.process(address.replace(/%.*$/, ''))
  if (parsed.kind() === 'ipv4') return parsed.toString()
  const { parts } = parsed as ipaddr.IPv6
  return `${parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}
