import { isIPv4, isIPv6 } from 'node:net'

/** A block of addresses as `net.BlockList` takes it. */
export interface Cidr {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
  /** Its first address as a number. */
  readonly bits: bigint
}

const MAPPED = 0xffffn

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32` or a single address. Answers in words what is wrong with any other text: also
 * with bits beyond the prefix, which are a slip of the pen, and with IPv4-mapped IPv6, which no peer ever has here.
 */
export function parseCidr(text: string): Cidr | string {
  const [, address = '', length] = /^([0-9A-Fa-f.:]{2,45})(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? []
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0
  if (bits === 0) return 'is no address or block such as 10.0.0.0/8 or 2001:db8::/32'
  const prefix = length === undefined ? bits : Number(length)
  if (prefix > bits) return `has a prefix longer than ${bits}`
  const value = bits === 32 ? ipv4Bits(address) : ipv6Bits(address)
  if (bits === 128 && value >> 32n === MAPPED) return 'is an IPv4 address in IPv6 form: write it as IPv4'
  if (value & ((1n << BigInt(bits - prefix)) - 1n)) return `has bits beyond its prefix of ${prefix}`
  return { address, prefix, family: bits === 32 ? 'ipv4' : 'ipv6', bits: value }
}

function ipv4Bits(address: string): bigint {
  return address.split('.').reduce((sum, part) => (sum << 8n) + BigInt(part), 0n)
}

function ipv6Bits(address: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  if (dotted !== null) {
    const low = ipv4Bits(dotted[2] as string)
    return ipv6Bits(`${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`)
  }
  const [head = '', tail] = address.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const [left, right] = [groups(head), groups(tail ?? '')]
  const zeros = Array(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...right].reduce((sum: bigint, part) => (sum << 16n) + BigInt(`0x${part}`), 0n)
}
