import type { Service } from './service.ts'

/** Where a request leads among the services. */
export interface ServicePlace {
  readonly service: Service
  /** Canonical path below the service; empty = the service’s own place, without a slash at its end. */
  readonly below: string
}

/** Services by their place on the public listener. */
export interface ServiceTable {
  readonly isEmpty: boolean
  /** Ids of all that may be asked of them. */
  readonly operations: ReadonlySet<string>
  /**
   * `host` as in `Host`, `path` canonical. The host decides first: one that is named, then the longest `*.` pattern, then
   * none; of those at one host the longest path. null = no service is there.
   */
  find(host: string | undefined, path: string): ServicePlace | null
}

export function createServiceTable(services: readonly Service[]): ServiceTable {
  const byHost = Map.groupBy(services, ({ host }) => host)
  const exact = new Map<string, Paths>()
  const patterns: { suffix: string; paths: Paths }[] = []
  for (const [host, group] of byHost) {
    if (host === null) continue
    if (host.startsWith('*.')) patterns.push({ suffix: host.slice(1), paths: new Paths(group) })
    else exact.set(host, new Paths(group))
  }
  patterns.sort((a, b) => b.suffix.length - a.suffix.length)
  const anywhere = new Paths(byHost.get(null) ?? [])
  return {
    isEmpty: services.length === 0,
    operations: new Set(services.flatMap(({ operations }) => operations)),
    find(host, path) {
      if (exact.size + patterns.length > 0) {
        const name = nameOf(host)
        const found = exact.get(name)?.find(path)
        if (found) return found
        for (const { suffix, paths } of HOST_NAME.test(name) ? patterns : NONE) {
          const found = name.endsWith(suffix) ? paths.find(path) : null
          if (found !== null) return found
        }
      }
      return anywhere.find(path)
    },
  }
}

/** Services at one host. */
class Paths {
  readonly #services: ReadonlyMap<string, Service>
  readonly #depth: number

  constructor(services: readonly Service[]) {
    this.#services = new Map(services.map(service => [service.path, service]))
    this.#depth = Math.max(0, ...services.map(({ path }) => path.split('/').length - 1))
  }

  find(path: string): ServicePlace | null {
    // No deeper than any service is: a path may have thousands of segments.
    let end = 0
    for (let depth = 0; depth < this.#depth && end < path.length; depth++) {
      const slash = path.indexOf('/', end + 1)
      end = slash === -1 ? path.length : slash
    }
    for (; end > 0; end = path.lastIndexOf('/', end - 1)) {
      const service = this.#services.get(path.slice(0, end))
      if (service !== undefined) return { service, below: path.slice(end) }
    }
    const service = this.#services.get('')
    return service === undefined ? null : { service, below: path }
  }
}

/** Labels, none of them empty: what a `*` stands for is told to services, and must be nothing else. */
const HOST_NAME = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/
const NONE: readonly never[] = []

/** A host in `Host`: without its port and the dot of the root, in lower case. */
function nameOf(host: string | undefined): string {
  return (host ?? '').toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
}
