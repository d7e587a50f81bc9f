import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { parseCidr } from './cidr.ts'

/** Whether an address is in one of the blocks; an IPv4-mapped one as the IPv4 address that it is. What is none is not. */
export function compileAddresses(cidrs: readonly string[]): (address: string) => boolean {
  // One a family: asked for an IPv4 address, a list also looks at its blocks of IPv6, as if it were mapped.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const text of cidrs) {
    const cidr = parseCidr(text)
    // What was stored was checked; what cannot be read allows nobody.
    if (typeof cidr !== 'string') lists[cidr.family].addSubnet(cidr.address, cidr.prefix, cidr.family)
  }
  return source => {
    const address = MAPPED.exec(source)?.[1] ?? source.replace(/%.*$/, '')
    if (isIPv4(address)) return lists.ipv4.check(address, 'ipv4')
    return isIPv6(address) && lists.ipv6.check(address, 'ipv6')
  }
}

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
