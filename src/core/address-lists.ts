import { type Cidr, parseCidr } from './cidr.ts'

/** Blocks of addresses that may, and that may not; null = no such list. What is in both may not. */
export interface AddressLists {
  readonly allow: readonly string[] | null
  readonly deny: readonly string[] | null
}

/** From the first address to the last, all of both families on one line: IPv4 lies beyond IPv6. */
type Span = readonly [first: bigint, last: bigint]

const IPV6_END = 1n << 128n
const EVERYTHING: readonly Span[] = [[0n, IPV6_END + (1n << 32n) - 1n]]

/**
 * What of the lists can never apply, in words, or null. An address must pass all of them; their blocks must be readable.
 * Only entries of the first are at fault, as the others stood before it.
 */
export function addressFault(...lists: readonly [AddressLists, ...AddressLists[]]): string | null {
  let open = EVERYTHING
  for (const { allow } of lists) if (allow !== null) open = intersect(open, allow.map(spanOf))
  for (const { deny } of lists) for (const block of deny ?? []) open = subtract(open, spanOf(block))
  const shut = lists[0].allow?.find(block => intersect(open, [spanOf(block)]).length === 0)
  if (shut !== undefined) return `${JSON.stringify(shut)} can never apply: ${whyShut(shut, lists)}`
  return open.length === 0 ? 'no address is left' : null
}

function whyShut(block: string, [own, ...others]: readonly AddressLists[]): string {
  const denied = (own?.deny ?? []).reduce((open, one) => subtract(open, spanOf(one)), [
    spanOf(block),
  ] as readonly Span[])
  return denied.length === 0 || others.length === 0 ? 'all of it is denied' : 'it is outside what else is allowed'
}

function spanOf(block: string): Span {
  const cidr = parseCidr(block)
  if (typeof cidr === 'string') throw new TypeError(`${block} ${cidr}`)
  const first = cidr.family === 'ipv4' ? IPV6_END + cidr.bits : cidr.bits
  return [first, first + sizeOf(cidr) - 1n]
}

function sizeOf({ family, prefix }: Cidr): bigint {
  return 1n << BigInt((family === 'ipv4' ? 32 : 128) - prefix)
}

function intersect(spans: readonly Span[], others: readonly Span[]): readonly Span[] {
  return spans.flatMap(([first, last]) =>
    others
      .map(([from, to]): Span => [from > first ? from : first, to < last ? to : last])
      .filter(([from, to]) => from <= to),
  )
}

function subtract(spans: readonly Span[], [from, to]: Span): readonly Span[] {
  return spans.flatMap(([first, last]): Span[] => {
    if (to < first || last < from) return [[first, last]]
    const left: Span[] = first < from ? [[first, from - 1n]] : []
    return to < last ? [...left, [to + 1n, last]] : left
  })
}
