import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import { type ChainHead, EMPTY_CHAIN } from './audit-chain.ts'

/** A signed statement of where every chain stood. Each names the one before, so that none can be left out unseen. */
export interface Checkpoint {
  /** 1, 2, 3 … */
  readonly seq: number
  /** ms since the epoch. */
  readonly at: number
  /** JSON: `{"<chain>":[seq,"hash"], …}`, chains in order of name. Kept as text: this is what was signed. */
  readonly heads: string
  /** Hash of the checkpoint before; zeros for the first. */
  readonly previous: string
  readonly keyId: string
  /** Ed25519 (RFC 8032), base64. */
  readonly signature: string
}

/** Chains by name. */
export type Heads = Readonly<Record<string, ChainHead>>

export function writeHeads(heads: Heads): string {
  const entries = Object.keys(heads)
    .sort()
    .map(chain => [chain, [heads[chain]?.seq, heads[chain]?.hash]])
  return JSON.stringify(Object.fromEntries(entries))
}

/** Throws where the text is not that of `writeHeads`. */
export function readHeads(text: string): Map<string, ChainHead> {
  const entries = Object.entries(JSON.parse(text) as Record<string, [number, string]>)
  return new Map(entries.map(([chain, [seq, hash]]) => [chain, { seq, hash }]))
}

/** Signs what follows `previous`. */
export function signCheckpoint(
  previous: Checkpoint | undefined,
  at: number,
  heads: Heads,
  key: { readonly id: string; readonly privateKey: KeyObject },
): Checkpoint {
  const unsigned = {
    seq: (previous?.seq ?? 0) + 1,
    at,
    heads: writeHeads(heads),
    previous: previous === undefined ? EMPTY_CHAIN.hash : checkpointHash(previous),
    keyId: key.id,
  }
  return { ...unsigned, signature: sign(null, frame(unsigned), key.privateKey).toString('base64') }
}

export function isSignedBy(checkpoint: Checkpoint, publicKey: KeyObject): boolean {
  return verify(null, frame(checkpoint), publicKey, Buffer.from(checkpoint.signature, 'base64'))
}

/** Over all of it, signature included. */
export function checkpointHash(checkpoint: Checkpoint): string {
  return createHash('sha256').update(frame(checkpoint)).update(`\n${checkpoint.signature}`).digest('hex')
}

/** Names a public key: the first half of the SHA-256 of its DER form. */
export function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, 32)
}

/** JSON escapes line feeds, so that no member can hold one. */
function frame({ seq, at, heads, previous, keyId }: Omit<Checkpoint, 'signature'>): Buffer {
  return Buffer.from(`ostiary-audit-checkpoint-1\n${seq}\n${at}\n${previous}\n${keyId}\n${heads}`)
}
