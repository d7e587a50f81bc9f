/** Providers that a worker reads on at once for callers that have hung up; beyond it, a provider is stopped. */
export const MAX_DRAINS = 128

/** One map a worker: each holds a connection to a provider, whichever generation of the configuration it belongs to. */
const running = new Map<() => void, NodeJS.Timeout>()

/** Calls `stop` after `ms`, or when drains end, unless `endDrain` comes first. False = there are too many already. */
export function startDrain(stop: () => void, ms: number): boolean {
  if (running.size >= MAX_DRAINS) return false
  running.set(stop, setTimeout(stop, ms))
  return true
}

export function endDrain(stop: () => void): void {
  clearTimeout(running.get(stop))
  running.delete(stop)
}

/** The worker stops: what was received so far is what was used. */
export function stopDrains(): void {
  for (const stop of [...running.keys()]) {
    endDrain(stop)
    stop()
  }
}
