import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import { isDated, type RevocationKind } from '#core/revocation.ts'
import type { RevocationQuery, RevocationRecord, RevocationStore } from '#store/revocations-port.ts'

export interface NewRevocation {
  readonly issuer: string
  readonly kind: RevocationKind
  readonly value: string
  /** ms since the epoch; undefined = now, for kinds that have one. */
  readonly notBefore: number | undefined
  /** ms since the epoch; null = never; undefined = when no token that it refuses can be good any more. */
  readonly expiresAt: number | null | undefined
  readonly reason: string | null
}

/** The revocation list: what refuses tokens of identity providers before they end. */
export interface Revocations {
  /**
   * In effect on every worker within `REVOCATION_BOUND_MS`. Throws `admin.invalid_input` for an issuer that is not configured,
   * for a caller’s whole name in place of the subject or client, and for times that make no sense.
   */
  create(wanted: NewRevocation, by: Actor): Promise<RevocationRecord>
  /** Newest first. */
  list(query: RevocationQuery): Promise<readonly RevocationRecord[]>
  /** Throws `revocation.not_found`. */
  show(id: string): Promise<RevocationRecord>
  /** Lifts an entry: what it refused is good again. Throws `revocation.not_found`. */
  delete(id: string, by: Actor): Promise<RevocationRecord>
}

interface RevocationsOptions {
  readonly store: RevocationStore
  /** How long a token of an issuer can be good at most, in ms from its issue; undefined = there is no such issuer. */
  readonly lifetimeOf: (issuer: string) => number | undefined
  readonly clock: Clock
}

const DAY_MS = 86_400_000

export function createRevocations({ store, lifetimeOf, clock }: RevocationsOptions): Revocations {
  return {
    async create({ issuer, kind, value, reason, ...times }, by) {
      const now = clock()
      const lifetimeMs = lifetimeOf(issuer)
      if (lifetimeMs === undefined) throw invalid(`The configuration has no issuer ${issuer}.`)
      refuseCallerName(issuer, kind, value)
      const record: RevocationRecord = {
        id: newId('rev', now),
        issuer,
        kind,
        value,
        reason,
        createdAt: now,
        createdBy: by.id,
        ...settle(kind, times, now, lifetimeMs),
      }
      await store.insert(record, revocationEvent('revocation.created', record, by, now))
      return record
    },

    list: query => store.list(query),

    async show(id) {
      return (await store.find(id)) ?? notFound(id)
    },

    async delete(id, by) {
      const lift = (entry: RevocationRecord) => revocationEvent('revocation.deleted', entry, by, clock())
      return (await store.delete(id, lift)) ?? notFound(id)
    },
  }
}

/** Usage and the audit call callers `company:lou` and `company/app`; no token says that of itself, so nobody would be refused. */
function refuseCallerName(issuer: string, kind: RevocationKind, value: string): void {
  if (kind !== 'subject' && kind !== 'client') return
  const before = [`${issuer}:`, `${issuer}/`].find(name => value.startsWith(name))
  if (before === undefined) return
  throw invalid(
    `${value} is how the gateway calls the caller: give what stands after ${before}, ${value.slice(before.length)}.`,
  )
}

function settle(
  kind: RevocationKind,
  { notBefore, expiresAt }: Pick<NewRevocation, 'notBefore' | 'expiresAt'>,
  now: number,
  lifetimeMs: number,
): Pick<RevocationRecord, 'notBefore' | 'expiresAt'> {
  if (!isDated(kind) && notBefore !== undefined) {
    throw invalid(
      `An entry for a ${kind} is for every token that it names, whenever it was issued: leave not_before out.`,
    )
  }
  // A slip in the year would shut somebody out for good.
  if (notBefore !== undefined && notBefore > now + DAY_MS) {
    throw invalid('not_before is more than a day ahead.')
  }
  if (typeof expiresAt === 'number' && expiresAt <= now) throw invalid('expires_at has passed.')
  const from = isDated(kind) ? (notBefore ?? now) : null
  // A key may sign new tokens at any time.
  const needed = kind === 'key' ? null : Math.max(from ?? now, now) + lifetimeMs
  return { notBefore: from, expiresAt: expiresAt === undefined ? needed : expiresAt }
}

function revocationEvent(
  type: 'revocation.created' | 'revocation.deleted',
  { id: subject, issuer, kind, value, notBefore, expiresAt, reason }: RevocationRecord,
  { id: actor, source, requestId }: Actor,
  at: number,
): ChangeEvent {
  const detail = { issuer, kind, value, not_before: toIso(notBefore), expires_at: toIso(expiresAt), reason }
  return { type, id: newId('evt', at), at, actor, source, requestId, project: null, subject, detail }
}

function toIso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

function invalid(detail: string): Problem {
  return new Problem('admin.invalid_input', { detail })
}

function notFound(id: string): never {
  throw new Problem('revocation.not_found', { detail: `There is no entry ${id}.` })
}
