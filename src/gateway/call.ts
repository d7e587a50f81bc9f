import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Principal } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import type { MeteredUsage } from '#core/usage.ts'
import { wasCut } from '#http/listener.ts'
import { peerOf } from '#http/peer.ts'
import type { Ticket } from '#limits/ticket.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { NoProxy } from '#proxies/known-proxies.ts'
import type { Price } from '#usage/price.ts'
import type { Decided } from './decide-call.ts'
import type { Generation } from './generation.ts'
import type { Route } from './routes.ts'
import type { Asked } from './take-question.ts'

/** What a call keeps of the generation that it began with. */
type CallGeneration = Pick<Generation, 'number' | 'resourceMetadata'>

/**
 * One request's life: what each stage learned, in one object of fixed shape. Stages write here what the event must
 * say and nothing else; what the next stage needs, they return.
 */
export class Call {
  readonly id: string
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Address of the client, as far as the proxies in front can be believed. */
  readonly source: string
  /** The same, or why nobody knows it. */
  readonly client: string | Problem
  /** Wall clock, ms since the epoch. */
  readonly at: number
  /** Monotonic, ms, as all times below. */
  readonly startedAt: number
  readonly configGeneration: number
  /** A proxy asks whether it may pass the call on; null = the gateway itself was called. */
  readonly asked: Asked | null
  /** Why what looks like a proxy’s question is none. */
  noProxy: NoProxy | null = null
  /** By which the caller reached that proxy; null = the gateway, or it is not known. */
  readonly origin: string | null
  /** Where clients learn who gives out tokens; null = nobody does. */
  readonly resourceMetadataUrl: string | null
  route: Route | null = null
  principal: Principal | null = null
  model: string | null = null
  target: ModelTarget | null = null
  /** What the policies said; null = they were not asked. */
  decided: Decided | null = null
  stream = false
  problem: Problem | null = null
  upstreamStatus: number | null = null
  /** What it used, known when the reply is over; null = nothing was sent to a provider. */
  usage: MeteredUsage | null = null
  bytesIn = 0
  bytesOut = 0
  /** Whole body received. */
  inputAt = 0
  /** Time from the head to the verified principal. */
  authMs = 0
  sentAt = 0
  headAt = 0
  /** Counted as one of its project's running calls. */
  entered = false
  /** The connection ended before the answer had left. */
  gone = false
  /** It speaks another protocol, and its end is no answer’s. */
  upgraded = false
  /** The provider refused its credential, and was asked with the one before. */
  usedPreviousCredential = false
  /** Nonce that the caller's proofs are to contain from now on; null = nothing to tell. */
  dpopNonce: string | null = null
  /** What it took of its limits; null = it has none. */
  ticket: Ticket | null = null
  /** Of the model; null = none is known. */
  price: Price | null = null
  costNanoUsd: number | null = null
  /** Told when the caller hangs up; may read the provider on for a while. */
  reply: { hangUp(mayDrain?: boolean): void; whenOver(callback: () => void): void } | null = null
  /** Sends what the gateway itself answers, with the status that `res` has; null = nothing. */
  answer: (() => void) | null = null
  /** Who waits for the answer to have left and the reply to be over. */
  onClosed: (() => void) | null = null

  constructor(
    id: string,
    req: IncomingMessage,
    res: ServerResponse,
    client: string | Problem,
    at: number,
    generation: CallGeneration,
    asked: Asked | null = null,
  ) {
    this.id = id
    this.req = req
    this.res = res
    this.client = client
    this.source = client instanceof Problem ? peerOf(req.socket) : client
    this.asked = asked
    this.origin = asked === null || asked.question instanceof Problem ? null : asked.question.origin
    this.at = at
    this.startedAt = performance.now()
    this.configGeneration = generation.number
    this.resourceMetadataUrl = generation.resourceMetadata?.url ?? null
    res.on('close', () => this.#closed())
  }

  routed(route: Route): Route {
    this.route = route
    return route
  }

  identified(principal: Principal): Principal {
    this.principal = principal
    this.authMs = performance.now() - this.startedAt
    return principal
  }

  #closed(): void {
    if (!this.res.writableFinished) {
      this.gone = !this.upgraded
      const cut = wasCut(this.res)
      if (cut) this.problem ??= new Problem('gateway.stopped')
      this.reply?.hangUp(!cut)
    }
    if (this.reply === null) this.onClosed?.()
    else this.reply.whenOver(() => this.onClosed?.())
  }

  /** The gateway's own share of the time up to the reply's head, ms: without the caller's upload and the provider's answer. */
  overheadMs(): number {
    return this.authMs + (this.sentAt - this.inputAt) + (performance.now() - this.headAt)
  }
}
