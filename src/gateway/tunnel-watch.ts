import { setImmediate as turn } from 'node:timers/promises'
import { Problem } from '#core/problems.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { checkAddress } from '#policy/check-address.ts'
import type { Call } from './call.ts'
import { checkAccess } from './check-access.ts'
import type { Judged } from './decide-call.ts'
import type { Generation } from './generation.ts'
import { authorizeCall, permitCall } from './permit-call.ts'
import type { PipelineOptions } from './pipeline-options.ts'
import { findRoute, type ServiceRoute } from './routes.ts'

/** Twice within the time in which calls notice. */
const AGAIN_MS = REVOCATION_BOUND_MS / 2
/** So many are asked about before others have their turn. */
const AT_ONCE = 64

/** What is watched of a tunnel; it is told why it ends. */
interface Watchable {
  close(why: Problem): void
}

interface Watched {
  readonly call: Call
  readonly route: ServiceRoute
  readonly tunnel: Watchable
  /** When it was last sure that it may stay, `performance.now()`. */
  sureAt: number
  isAsking: boolean
}

/**
 * Asks of every open WebSocket again whether it could still be opened: by credential, address, requirements and policies of the
 * generation in effect. One that could not is closed, and its event says why. Proofs of possession are good once and not asked for again.
 */
export class TunnelWatch {
  readonly #options: Pick<PipelineOptions, 'current' | 'clock' | 'logFailure'>
  readonly #open = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #isSweeping = false

  constructor(options: Pick<PipelineOptions, 'current' | 'clock' | 'logFailure'>) {
    this.#options = options
  }

  /** Until the connection closes. */
  watch(call: Call, route: ServiceRoute, tunnel: Watchable): void {
    const watched: Watched = { call, route, tunnel, sureAt: performance.now(), isAsking: false }
    this.#open.add(watched)
    this.#timer ??= setInterval(() => void this.#askAll(), AGAIN_MS).unref()
    call.res.on('close', () => {
      this.#open.delete(watched)
      if (this.#open.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    })
  }

  async #askAll(): Promise<void> {
    if (this.#isSweeping) return
    this.#isSweeping = true
    let asked = 0
    for (const watched of this.#open) {
      void this.#ask(watched)
      if (++asked % AT_ONCE === 0) await turn()
    }
    this.#isSweeping = false
  }

  async #ask(watched: Watched): Promise<void> {
    // The answer to the last question is still to come.
    if (watched.isAsking) return this.#doubt(watched, new Problem('store.unavailable', { reason: 'not_confirmed' }))
    const generation = this.#options.current()
    const begun = performance.now()
    watched.isAsking = true
    generation.enter()
    try {
      const refusal = await refusalOf(watched, generation, this.#options.clock())
      if (refusal === null) watched.sureAt = begun
      else if (refusal.status === 503) this.#doubt(watched, refusal)
      else watched.tunnel.close(refusal)
    } catch (error) {
      this.#options.logFailure(watched.call.id, error)
      this.#doubt(watched, new Problem('gateway.internal', { cause: error }))
    } finally {
      generation.leave()
      watched.isAsking = false
    }
  }

  /** It cannot be told now. What was sure holds as long as a revocation may take, as it does for calls. */
  #doubt({ tunnel, sureAt }: Watched, why: Problem): void {
    if (performance.now() - sureAt >= REVOCATION_BOUND_MS) tunnel.close(why)
  }
}

/** Why the tunnel could not be opened now; null = it could. */
async function refusalOf({ call, route }: Watched, generation: Generation, at: number): Promise<Problem | null> {
  const { req, source, origin, principal } = call
  const again: Judged = { req, source, at, route, decided: null }
  try {
    checkAccess(call.client, generation.allowsAddress)
    const found = findRoute(req, generation.services, null)
    if (found.serves !== 'service' || found.plain === null || found.service.name !== route.service.name) {
      throw new Problem('route.not_found', { reason: 'reload' })
    }
    const notes = { source, origin, dpopNonce: null, proven: principal?.binding ?? null }
    const verdict = await generation.authenticate(req, found.query, notes)
    if (verdict instanceof Problem) throw verdict
    const admitted = checkAddress(verdict, source)
    authorizeCall(again, permitCall(again, admitted, found, generation), found, generation)
    return null
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    // What the event says of the decision is the one that ended it.
    if (problem.code === 'policy.denied') Object.assign(call, { route: again.route, decided: again.decided })
    return problem
  }
}
