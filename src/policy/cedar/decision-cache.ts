import type { VerifiedIdentity } from '#core/principal.ts'

/** Remembered for one principal, and for all together: then all is forgotten. */
const PER_PRINCIPAL = 1024
const IN_ALL = 65_536

/**
 * What was found of a principal, for as long as the object lives that says who they are: a key that changes and a token that
 * is verified again are other objects, and so nothing is remembered beyond the revocation bound. It belongs to one generation.
 */
export class DecisionCache<T> {
  #byPrincipal = new WeakMap<VerifiedIdentity, Map<string, T>>()
  #held = 0

  get(principal: VerifiedIdentity, key: string): T | undefined {
    return this.#byPrincipal.get(principal)?.get(key)
  }

  set(principal: VerifiedIdentity, key: string, value: T): void {
    if (++this.#held > IN_ALL) {
      this.#byPrincipal = new WeakMap()
      this.#held = 1
    }
    const known = this.#byPrincipal.get(principal)
    if (known === undefined) this.#byPrincipal.set(principal, new Map([[key, value]]))
    else {
      if (known.size >= PER_PRINCIPAL) known.clear()
      known.set(key, value)
    }
  }
}
