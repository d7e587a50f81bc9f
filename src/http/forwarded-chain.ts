import { canonicalAddress } from '#core/canonical-address.ts'

/** Addresses from the first client to the last proxy but one; null = there is anything that is not plainly one. */
export type ReadChain = (header: string) => readonly string[] | null

export const MAX_CHAIN_LENGTH = 4096
export const MAX_CHAIN_ENTRIES = 32

/** `X-Forwarded-For`: `203.0.113.7, 2001:db8::1`; each address may have a port, one of IPv6 then in brackets. */
export const readForwardedFor: ReadChain = header => {
  if (header.length > MAX_CHAIN_LENGTH) return null
  return toChain(header.split(',').map(entry => readAddress(entry.replace(/^[ \t]+|[ \t]+$/g, ''), true)))
}

/**
 * `Forwarded` (RFC 7239 §4): `for=203.0.113.7;proto=https, for="[2001:db8::1]:4711"`. Each element must have one `for`.
 * Nothing is taken from the other parameters.
 */
export const readForwarded: ReadChain = header => {
  if (header.length > MAX_CHAIN_LENGTH) return null
  const chain: (string | null)[] = []
  let named: Set<string> | null = new Set()
  ELEMENT.lastIndex = 0
  for (let at = 0; at < header.length; at = ELEMENT.lastIndex) {
    const [, name = '', token, quoted, end] = ELEMENT.exec(header) ?? []
    const parameter = name.toLowerCase()
    // The grammar must be met to the last character: a quote that nobody closes would hide what a proxy has added.
    if (end === undefined || named.has(parameter)) return null
    named.add(parameter)
    if (parameter === 'for') chain.push(readAddress(token ?? (quoted ?? '').replace(/\\(.)/g, '$1'), false))
    if (end === ';') continue
    if (!named.has('for')) return null
    named = end === ',' ? new Set() : null
    if (named === null) return toChain(chain)
  }
  return null
}

/** `name=token` or `name="quoted"` and what follows it; §4 with RFC 9110 §5.6.2, §5.6.4. */
const ELEMENT =
  /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[\t !#-[\]-~]|\\[\t -~])*)")[ \t]*(;|,|$)/y

function toChain(entries: readonly (string | null)[]): readonly string[] | null {
  const addresses = entries.filter(entry => entry !== null)
  return addresses.length === entries.length && entries.length <= MAX_CHAIN_ENTRIES ? addresses : null
}

/** `bare` = IPv6 may stand without its brackets. `unknown` and made-up names (RFC 7239 §6.2, §6.3) are no address. */
function readAddress(text: string, bare: boolean): string | null {
  if (text.startsWith('[')) {
    const [, inner, port] = /^\[([0-9A-Fa-f:.]{2,45})\](?::(\d{1,5}))?$/.exec(text) ?? []
    return inner?.includes(':') && isPort(port) ? canonicalAddress(inner) : null
  }
  const [, ipv4, port] = /^(\d+\.\d+\.\d+\.\d+)(?::(\d{1,5}))?$/.exec(text) ?? []
  if (ipv4 !== undefined) return isPort(port) ? canonicalAddress(ipv4) : null
  return bare && text.includes(':') ? canonicalAddress(text) : null
}

function isPort(text: string | undefined): boolean {
  return text === undefined || Number(text) <= 65_535
}
