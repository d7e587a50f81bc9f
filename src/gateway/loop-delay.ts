/** How late the event loop is: how long what has arrived waits for its turn. */
export interface LoopDelay extends Disposable {
  /** Of the last ten seconds, ms. */
  percentiles(): { readonly p50: number; readonly p99: number; readonly max: number }
}

const SAMPLE_MS = 20
const KEPT_SAMPLES = 500

/**
 * Samples the delay by a timer's lateness (docs/decisions/0034). `onSample` is given the delay that stands, in ms, which
 * is the lesser of the last two samples: one pause, such as a collection of garbage, is no overload. It is also given
 * the time since the sample before.
 */
export function watchLoopDelay(onSample: (standingMs: number, elapsedMs: number) => void): LoopDelay {
  const samples = new Float64Array(KEPT_SAMPLES)
  let taken = 0
  let last = performance.now()
  let before = 0
  const timer = setInterval(() => {
    const now = performance.now()
    const elapsed = now - last
    const delay = Math.max(0, elapsed - SAMPLE_MS)
    last = now
    samples[taken++ % KEPT_SAMPLES] = delay
    onSample(Math.min(delay, before), elapsed)
    before = delay
  }, SAMPLE_MS)
  timer.unref()
  return {
    percentiles() {
      const sorted = samples.slice(0, taken).sort()
      const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
      return { p50: at(0.5), p99: at(0.99), max: at(1) }
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
