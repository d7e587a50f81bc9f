import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/**
 * One way of writing each address: what is compared and counted must not depend on how a proxy spells it. IPv4 in IPv6 is
 * IPv4. null = it is none, or has a zone, which says nothing on another machine.
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text
  if (!isIPv6(text) || text.includes('%')) return null
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  return MAPPED.exec(address)?.[1] ?? address
}

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/
