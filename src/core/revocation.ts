/**
 * Longest time in ms that a credential which was revoked, disabled or changed may still be taken for what it was: the feed tells
 * of it at once, and a worker whose feed has been silent for this long asks the store about every credential.
 */
export const REVOCATION_BOUND_MS = 5000

/** By what an entry of the revocation list names the tokens of an issuer that it refuses. */
export const revocationKinds = ['token', 'subject', 'client', 'session', 'key'] as const

/** `token` = `jti`; `key` = `kid`, or thumbprint (RFC 7638), of the key that they are signed with. */
export type RevocationKind = (typeof revocationKinds)[number]

/** Kinds of which tokens that were issued later are good: an entry says until when. */
export type DatedKind = 'subject' | 'client' | 'session'

export function isDated(kind: RevocationKind): kind is DatedKind {
  return kind === 'subject' || kind === 'client' || kind === 'session'
}

/** Longest value of an entry, in UTF-16 units: what an index of PostgreSQL has room for. */
export const MAX_REVOKED_VALUE = 512

/** What an entry refuses, as one text: the subject of its change on the feed, and what caches are searched by. */
export function revocationTarget(issuer: string, kind: RevocationKind, value: string): string {
  return JSON.stringify([issuer, kind, value])
}
