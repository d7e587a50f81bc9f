import type { Clock } from '#core/clock.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { revocationTarget } from '#core/revocation.ts'
import type { Change, ChangeFeed } from '#store/ports.ts'
import { namesOf, type SigningKey } from './revocation/check-revocation.ts'

/** A token that was found to be good, and by which key. */
export interface VerifiedToken {
  readonly identity: VerifiedIdentity
  /** null = it is not signed: its issuer was asked about it. */
  readonly signedBy: SigningKey | null
}

interface TokenCacheOptions {
  /** Tokens remembered at most; the least recently used goes first. */
  readonly size: number
  readonly changes: ChangeFeed
  /** Silence of the feed, in ms, after which nothing remembered is trusted. */
  readonly trustMs: number
  readonly clock: Clock
}

interface Remembered {
  readonly identity: VerifiedIdentity
  /** All that a change can name it by. */
  readonly targets: readonly string[]
}

/**
 * Remembers tokens that were good, by the SHA-256 of the whole token, until they end, or the change feed tells of an entry
 * of the revocation list that may concern them, or that their project changed or ended; as careful as the cache of keys.
 */
export class TokenCache implements Disposable {
  readonly #options: TokenCacheOptions
  readonly #known = new Map<string, Remembered>()
  /** The remembered tokens that a change can name so. */
  readonly #byTarget = new Map<string, Set<string>>()
  readonly #loading = new Map<string, Promise<VerifiedIdentity | Problem>>()
  readonly #unsubscribe: () => void
  /** Counts changes, so that what was found before one is not remembered after it. */
  #epoch = 0

  constructor(options: TokenCacheOptions) {
    this.#options = options
    this.#unsubscribe = options.changes.subscribe(change => this.#learn(change))
  }

  /** undefined = verify it. */
  get(digest: string): VerifiedIdentity | undefined {
    const remembered = this.#known.get(digest)
    if (remembered === undefined || this.#isStale()) return undefined
    const { identity } = remembered
    if (identity.expiresAt !== null && identity.expiresAt <= this.#options.clock()) {
      this.#evict(digest)
      return undefined
    }
    if (this.#known.size * 2 > this.#options.size) {
      // Order matters only when the cache may overflow; until then a hit costs one look-up.
      this.#known.delete(digest)
      this.#known.set(digest, remembered)
    }
    return identity
  }

  /** Verifies a token; callers that present the same one meanwhile share the answer. A refusal is not remembered. */
  load(digest: string, verify: () => Promise<VerifiedToken | Problem>): Promise<VerifiedIdentity | Problem> {
    const running = this.#loading.get(digest)
    if (running !== undefined) return running
    const loading = this.#verify(digest, verify).finally(() => {
      if (this.#loading.get(digest) === loading) this.#loading.delete(digest)
    })
    this.#loading.set(digest, loading)
    return loading
  }

  /** Keys of an issuer, by their thumbprints, are good no longer. */
  forgetKeys(issuer: string, thumbprints: ReadonlySet<string>): void {
    this.#startAnew()
    for (const thumbprint of thumbprints) this.#forget(revocationTarget(issuer, 'key', thumbprint))
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }

  async #verify(digest: string, verify: () => Promise<VerifiedToken | Problem>): Promise<VerifiedIdentity | Problem> {
    const epoch = this.#epoch
    const verified = await verify()
    if (verified instanceof Problem) return verified
    if (epoch === this.#epoch && !this.#isStale()) this.#remember(digest, verified)
    return verified.identity
  }

  #isStale(): boolean {
    return performance.now() - this.#options.changes.heardAt() > this.#options.trustMs
  }

  #learn({ topic, subject }: Change): void {
    switch (topic) {
      case 'key.changed':
        break
      case 'token.revoked':
        this.#startAnew()
        this.#forget(subject)
        break
      case 'project.changed':
      case 'project.deleted':
        this.#startAnew()
        this.#forget(projectTarget(subject))
        break
    }
  }

  /** A verification under way may answer with what was before: whoever asks from now on asks anew. */
  #startAnew(): void {
    this.#epoch++
    this.#loading.clear()
  }

  #remember(digest: string, { identity, signedBy }: VerifiedToken): void {
    this.#evict(digest)
    const targets = targetsOf(identity, signedBy)
    for (const target of targets) {
      const digests = this.#byTarget.get(target)
      if (digests === undefined) this.#byTarget.set(target, new Set([digest]))
      else digests.add(digest)
    }
    this.#known.set(digest, { identity, targets })
    if (this.#known.size <= this.#options.size) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#evict(oldest)
  }

  #evict(digest: string): void {
    for (const target of this.#known.get(digest)?.targets ?? []) {
      const digests = this.#byTarget.get(target)
      digests?.delete(digest)
      if (digests?.size === 0) this.#byTarget.delete(target)
    }
    this.#known.delete(digest)
  }

  #forget(target: string): void {
    for (const digest of [...(this.#byTarget.get(target) ?? [])]) this.#evict(digest)
  }
}

function targetsOf(identity: VerifiedIdentity, signedBy: SigningKey | null): string[] {
  const targets = [projectTarget(identity.project)]
  if (identity.token === null) return targets
  const { issuer } = identity.token
  for (const [kind, value] of namesOf(identity.token, signedBy)) targets.push(revocationTarget(issuer, kind, value))
  return targets
}

/** No target of the revocation list begins so. */
function projectTarget(id: string): string {
  return `project ${id}`
}
