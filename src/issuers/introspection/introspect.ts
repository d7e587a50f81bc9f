import { hash, randomBytes } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import { networkOf } from '#core/network.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { createSourceBudgets } from '#core/source-budgets.ts'
import type { Claims, CompileGrants } from '#issuers/issuer.ts'
import type { IssuerKeys } from '#issuers/keys/issuer-keys.ts'
import { isJwtShaped, MAX_TOKEN_LENGTH } from '#issuers/read-token.ts'
import { askIntrospection } from './ask-introspection.ts'
import { checkConfirmation, checkIntrospection, type IntrospectionFault } from './check-introspection.ts'
import { isForeignSecret } from './foreign-secrets.ts'
import type { Introspection } from './introspection.ts'
import { IntrospectionBreaker } from './introspection-breaker.ts'
import { IntrospectionCache } from './introspection-cache.ts'
import { QuestionTurns } from './question-turns.ts'
import { readIntrospection } from './read-introspection.ts'

type Verdict = VerifiedIdentity | Problem

/** Tokens about which the issuers are asked. All that cannot be told is the answer `auth.issuer_unavailable`. */
export interface Introspector {
  /** Who an opaque token is about, the refusal `auth.invalid_credential` with the reason; null = it is none. */
  introspect(credential: string, source: string): Verdict | null | Promise<Verdict>
  /** The same identity if the issuer says that the verified JWT is active, or need not be asked. */
  confirm(identity: VerifiedIdentity, credential: string, source: string): Verdict | Promise<Verdict>
}

export interface IntrospectorOptions {
  readonly introspections: readonly Introspection[]
  readonly keys: IssuerKeys
  readonly compileGrants: CompileGrants
  /** Whether a credential is meant for an API key: nobody else is told of it. */
  readonly isKeyShaped: (credential: string) => boolean
  /** Good tokens remembered at most, of each issuer; as many again are only known to have been good. */
  readonly cacheSize: number
  readonly clock: Clock
  readonly onTrouble: OnTrouble
}

/** Told what is wrong with an issuer's endpoint once it is not asked any more, and null when it is asked again. */
export type OnTrouble = (issuer: string, trouble: string | null) => void

/**
 * Questions about tokens unknown here that turn out to be no good: what a source may ask at once, filled up again within the
 * minute. Those about good tokens, and those that the endpoint never answered, cost nothing, and tokens that are known to
 * have been issued are asked about whatever their source has left.
 */
export const SOURCE_BUDGET = { amount: 100, refillMs: 60_000, maxSources: 10_000 } as const

/** RFC 6750 §2.1. */
const B64TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

export function createIntrospector(options: IntrospectorOptions): Introspector {
  const endpoints = options.introspections.map(introspection => new Endpoint(introspection, options))
  const byIssuer = new Map(endpoints.map(endpoint => [endpoint.introspection.issuer.name, endpoint]))
  const byPrefix = endpoints
    .flatMap(endpoint => {
      const { tokenPrefix } = endpoint.introspection
      return tokenPrefix === null ? [] : [{ tokenPrefix, endpoint }]
    })
    .sort((a, b) => b.tokenPrefix.length - a.tokenPrefix.length)
  return {
    introspect(credential, source) {
      if (isJwtShaped(credential) || options.isKeyShaped(credential)) return null
      const endpoint = byPrefix.find(({ tokenPrefix }) => credential.startsWith(tokenPrefix))?.endpoint
      if (endpoint === undefined || credential.length > MAX_TOKEN_LENGTH || !B64TOKEN.test(credential)) return null
      const { issuer, tokenPrefix } = endpoint.introspection
      if (isForeignSecret(credential, tokenPrefix ?? '')) return null
      return endpoint.judge(credential, source, false, (claims, now) =>
        checkIntrospection(claims, issuer, options.compileGrants, now),
      )
    },
    confirm(identity, credential, source) {
      const endpoint = byIssuer.get(identity.token?.issuer ?? '')
      if (endpoint?.introspection.always !== true) return identity
      const { issuer } = endpoint.introspection
      return endpoint.judge(credential, source, true, (claims, now) => checkConfirmation(claims, issuer, identity, now))
    },
  }
}

/** Makes of what the issuer says an identity, or says why the token is refused. */
type Judge = (claims: Claims, now: number) => VerifiedIdentity | IntrospectionFault

interface Question {
  readonly token: string
  readonly digest: string
  readonly source: string
  /** Whether it is of the source's budget. */
  readonly isCounted: boolean
  readonly judge: Judge
}

// Made once: what a flood meets must cost little.
const BREAKER_OPEN = new Problem('auth.issuer_unavailable', { reason: 'introspection_breaker_open' })
const SOURCE_SPENT = new Problem('auth.issuer_unavailable', { reason: 'introspection_source_budget' })
const BUSY = new Problem('auth.issuer_unavailable', { reason: 'introspection_busy' })
/** Whatever the token is: it is not why these happen. */
const UNANSWERED = new Set(['introspection_unreachable', 'introspection_timeout', 'introspection_client_refused'])

/** One issuer's endpoint, as this worker asks it. */
class Endpoint {
  readonly introspection: Introspection
  readonly #options: IntrospectorOptions
  readonly #cache: IntrospectionCache
  readonly #asking = new Map<string, Promise<Verdict>>()
  readonly #mayAsk = createSourceBudgets(SOURCE_BUDGET)
  readonly #turns = new QuestionTurns()
  readonly #breaker: IntrospectionBreaker

  constructor(introspection: Introspection, options: IntrospectorOptions) {
    this.introspection = introspection
    this.#options = options
    this.#cache = new IntrospectionCache(options.cacheSize)
    this.#breaker = new IntrospectionBreaker({
      tryEndpoint: () => this.#try(),
      onChange: trouble => options.onTrouble(introspection.issuer.name, trouble),
    })
  }

  /** `isVerified` = the issuer did issue the token, whatever it thinks of it now. */
  judge(token: string, source: string, isVerified: boolean, judge: Judge): Verdict | Promise<Verdict> {
    const digest = hash('sha256', token, 'base64url')
    const now = this.#options.clock()
    const known = this.#cache.get(digest, now)
    if (known !== undefined) return known
    const asking = this.#asking.get(digest)
    if (asking !== undefined) return asking
    const admitted = this.#breaker.admits()
    if (admitted === false) return BREAKER_OPEN
    // What others of the same source make up keeps out no token that the issuer is known to have issued.
    const isCounted = !isVerified && !this.#cache.wasGood(digest, now)
    if (isCounted && !this.#mayAsk(source, performance.now())) return SOURCE_SPENT
    const question = { token, digest, source, isCounted, judge }
    const verdict = this.#askInTurn(question, admitted).finally(() => this.#asking.delete(digest))
    this.#asking.set(digest, verdict)
    return verdict
  }

  async #askInTurn(question: Question, admitted: true | Promise<boolean>): Promise<Verdict> {
    const { source, isCounted } = question
    const { timeoutMs } = this.introspection
    const verdict = (await admitted)
      ? await this.#turns.take(networkOf(source), timeoutMs, () => this.#ask(question))
      : BREAKER_OPEN
    const isNoGood = verdict instanceof Problem && verdict !== BREAKER_OPEN && !UNANSWERED.has(verdict.reason ?? '')
    if (isCounted && !isNoGood) this.#mayAsk.giveBack(source)
    return verdict ?? BUSY
  }

  /** Asks, and remembers the verdict. What could not be told is not remembered. */
  async #ask({ token, digest, source, judge }: Question): Promise<Verdict> {
    const now = this.#options.clock()
    const { cacheMs, negativeCacheMs } = this.introspection
    try {
      const claims = await this.#question(token, source, now)
      this.#breaker.succeeded()
      const identity = claims === null ? 'introspection_inactive' : judge(claims, now)
      if (typeof identity !== 'string') {
        // What an issuer says of a JWT may end before the JWT does.
        const saidEnd =
          typeof claims?.exp === 'number' ? claims.exp * 1000 + this.introspection.issuer.skewMs : Infinity
        this.#cache.admit(digest, identity, Math.min(now + cacheMs, identity.expiresAt ?? Infinity, saidEnd))
        return identity
      }
      const refusal = new Problem('auth.invalid_credential', { reason: identity })
      this.#cache.refuse(digest, refusal, now + negativeCacheMs)
      return refusal
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      this.#breaker.failed(error.reason === 'introspection_client_refused')
      return error
    }
  }

  /** What the issuer says of a token; null = it is not active. */
  async #question(token: string, source: string, askedAt: number): Promise<Claims | null> {
    const reply = await askIntrospection(this.introspection, token, askedAt)
    return readIntrospection(reply, this.introspection, { keys: this.#options.keys, source, askedAt })
  }

  /**
   * Asks about a token that nobody has issued: it must not be active (RFC 7662 §2.2). Who rejects such a question is there,
   * and answers others: made-up tokens must not get it out of use.
   */
  async #try(): Promise<string | null> {
    const madeUp = (this.introspection.tokenPrefix ?? '') + randomBytes(24).toString('base64url')
    try {
      const claims = await this.#question(madeUp, '', this.#options.clock())
      return claims === null ? null : 'introspection_malformed'
    } catch (error) {
      const reason = error instanceof Problem ? error.reason : undefined
      return reason === 'introspection_rejected' ? null : (reason ?? 'introspection_broken')
    }
  }
}
