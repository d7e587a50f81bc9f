import type { Exchange, Send } from '#core/exchange.ts'
import type { SandboxSettings } from './settings.ts'

/**
 * The sandbox, loaded at its first call: a gateway that serves live keys only never pays for it.
 */
export function lazySandbox(settings: SandboxSettings): Send {
  let loaded: Promise<Send> | undefined
  return (request, sink) => {
    loaded ??= import('./sandbox.ts').then(({ createSandbox }) => createSandbox(settings))
    let exchange: Exchange | null = null
    let aborted = false
    loaded
      .then(send => {
        if (!aborted) exchange = send(request, sink)
      })
      .catch((error: Error) => sink.onError(error))
    return {
      resume: () => exchange?.resume(),
      abort() {
        aborted = true
        exchange?.abort()
      },
    }
  }
}
