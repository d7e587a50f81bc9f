import { canonicalAddress } from '#core/canonical-address.ts'

/** A whole header of the PROXY protocol, version 2 (HAProxy, doc/proxy-protocol.txt §2.2). */
export interface ProxyHeader {
  /** Bytes that it takes. */
  readonly length: number
  /** null = the proxy speaks for itself (LOCAL), as its health checks do. */
  readonly client: string | null
}

export type ProxyFault = 'proxy_signature' | 'proxy_version' | 'proxy_command' | 'proxy_family' | 'proxy_length'

/** Fixed part: signature, version and command, family, length of the rest. */
const FIXED = 16
/** With all that may follow the addresses; the protocol would allow 64 KiB. */
export const MAX_PROXY_HEADER = 4096
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Bytes of the addresses and ports of both ends, by family and transport. */
const ADDRESSES = new Map([
  [0x11, { bytes: 12, read: (block: Buffer) => [...block.subarray(0, 4)].join('.') }],
  [0x21, { bytes: 36, read: (block: Buffer) => groupsOf(block.subarray(0, 16)) }],
])

/**
 * Reads the header at the beginning of what has arrived; null = there is more to come. Where the family is not TCP over IP, the
 * client has no address to tell: that is refused, though the protocol would let the proxy’s own be taken.
 */
export function readProxyHeader(arrived: Buffer): ProxyHeader | ProxyFault | null {
  const begun = Math.min(arrived.length, SIGNATURE.length)
  if (!arrived.subarray(0, begun).equals(SIGNATURE.subarray(0, begun))) return 'proxy_signature'
  const versionCommand = arrived[12]
  if (versionCommand === undefined) return null
  if (versionCommand >> 4 !== 2) return 'proxy_version'
  const command = versionCommand & 0x0f
  if (command > 1) return 'proxy_command'
  if (arrived.length < FIXED) return null
  const length = FIXED + arrived.readUInt16BE(14)
  if (length > MAX_PROXY_HEADER) return 'proxy_length'
  const addresses = ADDRESSES.get(arrived[13] as number)
  if (command === 1 && addresses === undefined) return 'proxy_family'
  if (command === 1 && length < FIXED + (addresses?.bytes ?? 0)) return 'proxy_length'
  if (arrived.length < length) return null
  if (command === 0) return { length, client: null }
  return { length, client: canonicalAddress(addresses?.read(arrived.subarray(FIXED, length)) ?? '') }
}

function groupsOf(address: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16)).join(':')
}
