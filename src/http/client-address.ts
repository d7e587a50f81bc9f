import type { IncomingMessage } from 'node:http'
import { compileAddresses } from '#core/compile-addresses.ts'
import { Problem } from '#core/problems.ts'
import { type ReadChain, readForwarded, readForwardedFor } from './forwarded-chain.ts'
import { isProxyItself, peerOf } from './peer.ts'

/** Where a request comes from, or the refusal `request.client_address` where the proxies in front do not say it clearly. */
export type FindClient = (req: IncomingMessage) => string | Problem

interface ClientOptions {
  /** Addresses and blocks of the proxies whose word is taken. */
  readonly trustedProxies: readonly string[]
  readonly forwarded: 'none' | 'x-forwarded-for' | 'forwarded'
  /** How many proxies there are at most between the client and here. */
  readonly hops?: number | undefined
}

const chains: Readonly<Record<'x-forwarded-for' | 'forwarded', ReadChain>> = {
  'x-forwarded-for': readForwardedFor,
  forwarded: readForwarded,
}

/**
 * The client is the first one from the right whose word is not taken: the peer, or who a trusted one says that it speaks
 * for, and so on; where all are trusted, the one farthest away. What an untrusted peer says is not even read.
 */
export function createClientFinder({ trustedProxies, forwarded, hops = Infinity }: ClientOptions): FindClient {
  if (forwarded === 'none') return req => peerOf(req.socket)
  const isTrusted = compileAddresses(trustedProxies)
  const read = chains[forwarded]
  return req => {
    const peer = peerOf(req.socket)
    if (!isTrusted(peer) || isProxyItself(req.socket)) return peer
    const header = req.headers[forwarded]
    if (header === undefined) return MISSING
    const chain = read(Array.isArray(header) ? header.join(', ') : header)
    if (chain === null) return MALFORMED
    let client = peer
    for (let passed = 0; passed < hops && passed < chain.length && isTrusted(client); passed++) {
      client = chain[chain.length - 1 - passed] as string
    }
    return client
  }
}

// Made once: what a flood meets must cost little.
const MISSING = new Problem('request.client_address', { reason: 'forwarded_missing' })
const MALFORMED = new Problem('request.client_address', { reason: 'forwarded_malformed' })
