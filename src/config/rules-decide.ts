import type { Faults } from './faults.ts'
import type { Draft } from './rules.ts'

/** Refuses proxies that could never ask, and of whose questions nobody could say what they are about. */
export function checkDecide({ decide, services }: Draft, faults: Faults): void {
  const proxies = Object.entries(decide?.proxies ?? {})
  for (const [name, proxy] of proxies) {
    const path = ['decide', 'proxies', name]
    if (proxy?.addresses?.length === 0) faults.add([...path, 'addresses'], 'must name an address')
    if (proxy?.origins?.length === 0) faults.add([...path, 'origins'], 'must name an origin')
    const hosts = new Set<string>()
    for (const [i, origin] of (proxy?.origins ?? []).entries()) {
      const { host } = new URL(origin)
      // Only forward authentication says the scheme.
      if (hosts.has(host) && proxy?.dialect !== 'forward-auth') {
        faults.add([...path, 'origins', String(i)], 'is a second origin of its host: this dialect does not say which')
      }
      hosts.add(host)
    }
  }
  if (proxies.length > 0 && Object.keys(services ?? {}).length === 0) {
    faults.add(['decide', 'proxies'], 'decide about nothing: there are no services')
  }
}
