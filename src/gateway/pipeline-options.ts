import type { Clock } from '#core/clock.ts'
import type { Limiter } from '#limits/limiter.ts'
import type { Recording } from './admit.ts'
import type { Generation } from './generation.ts'
import type { TakeTurn } from './loop-turns.ts'
import type { Overload } from './overload.ts'
import type { TunnelWatch } from './tunnel-watch.ts'

/** What a worker gives its calls. */
export interface PipelineOptions extends Recording {
  readonly tunnels: Pick<TunnelWatch, 'watch'>
  readonly current: () => Generation
  readonly overload: Overload
  readonly limiter: Limiter
  readonly takeTurn: TakeTurn
  readonly clock: Clock
  readonly logFailure: (callId: string, error: unknown) => void
}
