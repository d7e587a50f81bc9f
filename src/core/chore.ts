export interface ChoreOptions {
  readonly everyMs: number
  /** Ends early, between steps, once `stopped` is. */
  readonly work: (stopped: AbortSignal) => Promise<void>
  readonly onTrouble: (error: unknown) => void
}

/** Work done now and then at intervals; a turn that comes while the one before still works is left out. Disposing ends it. */
export function startChore({ everyMs, work, onTrouble }: ChoreOptions): AsyncDisposable {
  const stopped = new AbortController()
  let running: Promise<void> | null = null
  const next = () => {
    running ??= work(stopped.signal)
      .catch(onTrouble)
      .finally(() => {
        running = null
      })
  }
  next()
  const timer = setInterval(next, everyMs)
  timer.unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      stopped.abort()
      await running
    },
  }
}
