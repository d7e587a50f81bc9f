import type { VerifiedIdentity } from '#core/principal.ts'

/** Remembers tokens that were verified, by the SHA-256 of the whole token, until they end. */
export class TokenCache {
  readonly #size: number
  readonly #known = new Map<string, VerifiedIdentity>()

  constructor(size: number) {
    this.#size = size
  }

  get(digest: string): VerifiedIdentity | undefined {
    return this.#known.get(digest)
  }

  set(digest: string, identity: VerifiedIdentity): void {
    this.#known.set(digest, identity)
    if (this.#known.size <= this.#size) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }

  /** Forgets what one of these keys of the issuer signed. */
  dropSignedBy(issuer: string, thumbprints: ReadonlySet<string>): void {
    for (const [digest, { token }] of this.#known) {
      if (token?.issuer === issuer && thumbprints.has(token.signedBy ?? '')) this.#known.delete(digest)
    }
  }
}
