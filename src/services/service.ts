import type { Action } from '#core/action.ts'
import type { Send, UpstreamRequest } from '#core/exchange.ts'
import { compilePathGlob, foldPath, segmentsOf } from '#core/path-glob.ts'
import type { Secret } from '#core/secret.ts'
import { readMethods, type ServiceOperations, serviceActions } from '#core/service-actions.ts'

/** A configured service, ready to be asked for. */
export interface Service {
  readonly name: string
  /** Tagged `test`: test credentials may use it. */
  readonly test: boolean
  /** Where it is on the public listener; an empty path is all of them, a host that is null any. */
  readonly host: string | null
  readonly path: string
  /** How callers reach it: scheme, and host with the port that is not the scheme’s own; a pattern where `host` is one. */
  readonly publicProto: string
  readonly publicHost: string
  /** Whether it is told who calls. */
  readonly identity: boolean
  readonly webSocket: boolean
  readonly maxBodyBytes: number
  /** Ids of all that may be asked of it. */
  readonly operations: readonly string[]
  /** null = it is only decided about. */
  readonly upstream: ServiceUpstream | null
  /** What is asked for; `below` is the path below the service. */
  operationOf(method: string, below: string, isUpgrade: boolean): ServiceOperation
}

export interface ServiceOperation {
  readonly name: string
  readonly action: Action
}

/** Where requests to a service go. */
export interface ServiceUpstream {
  /** Scheme, host and port. */
  readonly origin: string
  /** Written path before the caller’s; empty or without a slash at its end. */
  readonly basePath: string
  readonly stripPath: boolean
  /** Plain names of headers that are not the caller’s to send it: those of credentials, also of the gateway’s own, and what the operator named. */
  readonly withheldHeaders: ReadonlySet<string>
  /** What the gateway authenticates by, in which header in lower case; null = nothing. */
  readonly credential: { readonly header: string; readonly scheme: string | null; readonly secret: Secret } | null
  /** Name of the issuer whose tokens it takes, the caller’s own; null = of none. */
  readonly callerTokenOf: string | null
  /** Longest pause of a WebSocket, ms. */
  readonly idleTimeoutMs: number
  readonly send: Send<UpstreamRequest>
}

interface OperationRule {
  readonly methods?: readonly string[] | undefined
  readonly paths?: readonly string[] | undefined
  readonly scopes?: readonly string[] | undefined
}

/**
 * How the operations of a service are told apart: its own in their order, then by the method. Unless the service is
 * `caseSensitive` a pattern names every spelling of a path that some server takes for the same.
 */
export function compileOperations(
  service: string,
  config: ServiceOperations & {
    readonly operations: Readonly<Record<string, OperationRule>>
    readonly caseSensitive: boolean
  },
): Service['operationOf'] {
  const known = new Map(
    [...serviceActions(service, { ...config, webSocket: true })].map(([name, action]) => [name, { name, action }]),
  )
  const named = (name: string) => known.get(name) as ServiceOperation
  const compared = config.caseSensitive ? (path: string) => path : foldPath
  const own = Object.entries(config.operations).map(([name, { methods, paths }]) => ({
    operation: named(name),
    takes: compileMethods(methods),
    globs: paths?.map(path => compilePathGlob(compared(path))) ?? null,
  }))
  const [read, write, connect] = [named('read'), named('write'), named('connect')]
  return (method, below, isUpgrade) => {
    if (isUpgrade) return connect
    const segments = own.length === 0 ? [] : segmentsOf(compared(below))
    const found = own.find(
      ({ takes, globs }) => takes(method) && (globs === null || globs.some(fits => fits(segments))),
    )
    return found?.operation ?? (readMethods.includes(method) ? read : write)
  }
}

function compileMethods(methods: readonly string[] | undefined): (method: string) => boolean {
  if (methods === undefined) return () => true
  // Who asks for the head learns what is there as well.
  return method => methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))
}
