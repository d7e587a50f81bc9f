import type { Send } from '#core/exchange.ts'
import type { Secret } from '#core/secret.ts'
import type { Issuer } from '#issuers/issuer.ts'

/** How one issuer is asked about its tokens (RFC 7662), compiled. */
export interface Introspection {
  readonly issuer: Issuer
  readonly send: Send
  /** Path of the endpoint. */
  readonly path: string
  /** The gateway's own client at the issuer. */
  readonly clientId: string
  readonly clientSecret: Secret
  /** The secret before it while a rotation lasts: until when, in ms since the epoch. */
  readonly previousSecret: { readonly secret: Secret; readonly until: number } | null
  readonly authentication: 'client_secret_basic' | 'client_secret_post'
  /** How long an answer is trusted, ms: that a token is good, and that it is not. */
  readonly cacheMs: number
  readonly negativeCacheMs: number
  /** For the whole answer. */
  readonly timeoutMs: number
  /** Whether answers must be signed (RFC 9701). */
  readonly signed: boolean
  /** With what opaque tokens of this issuer begin, empty = with anything; null = it has none. */
  readonly tokenPrefix: string | null
  /** Whether its JWTs are asked about too. */
  readonly always: boolean
}

/** What the audit says of an endpoint that did not tell what a token is. Never the token's fault, so never a refusal. */
export type IntrospectionTrouble =
  | 'introspection_unreachable'
  | 'introspection_timeout'
  | 'introspection_broken'
  | 'introspection_redirect'
  /** Neither 200 nor one of those below. */
  | 'introspection_status'
  /** The gateway's own client is refused. */
  | 'introspection_client_refused'
  /** 400: it is there, but does not take the question; some answer so of tokens that they do not know. */
  | 'introspection_rejected'
  | 'introspection_too_large'
  /** Not what RFC 7662 §2.2 says, or a made-up token is called active. */
  | 'introspection_malformed'
  | 'introspection_unsigned'
  /** Signed, but not as RFC 9701 §5 says, by this issuer, for this gateway, now. */
  | 'introspection_signature'
  | 'introspection_signed_type'
  | 'introspection_signed_issuer'
  | 'introspection_signed_audience'
  | 'introspection_signed_time'
