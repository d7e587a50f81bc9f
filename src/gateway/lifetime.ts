/** How long a generation stays open: until it is retired and its last call has ended. */
export interface Lifetime extends AsyncDisposable {
  /** A call begins and ends. */
  enter(): void
  leave(): void
}

/** Disposing retires it, and resolves when `close` has run. */
export function createLifetime(close: () => PromiseLike<void>): Lifetime {
  const { promise: unused, resolve } = Promise.withResolvers<void>()
  let running = 0
  let retired = false
  const closed = unused.then(close)
  return {
    enter() {
      running++
    },
    leave() {
      if (--running === 0 && retired) resolve()
    },
    async [Symbol.asyncDispose]() {
      retired = true
      if (running === 0) resolve()
      await closed
    },
  }
}
