import type { UpstreamRequest } from '#core/exchange.ts'
import { plainName } from '#core/plain-name.ts'
import { encodePath } from '#http/paths.ts'
import type { IdentityHeaders } from '#identity/identity-headers.ts'
import type { Permitted } from '#policy/permit.ts'
import { requestHeaders } from '#services/request-headers.ts'
import type { Call } from './call.ts'
import type { ServiceRoute } from './routes.ts'
import { callerToken } from './upstream-credential.ts'

/** What a service is asked, but for the body. Throws `policy.caller_token`. */
export function serviceRequest(
  call: Call,
  route: ServiceRoute,
  caller: Permitted,
  identityHeaders: IdentityHeaders,
): Omit<UpstreamRequest, 'body'> {
  const { req } = call
  const { upstream } = route.service
  const { basePath, stripPath, credential, withheldHeaders, callerTokenOf } = upstream
  const { 'content-length': length } = req.headers
  const origin = { id: call.id, source: call.source, proto: route.service.publicProto, host: publicHost(call, route) }
  const headers = requestHeaders(req.headers, withheldHeaders, origin)
  // What nobody decided about as a WebSocket is none: a service that looks at these alone would take it for one.
  if (route.operation !== 'connect') {
    for (const name in headers) if (plainName(name).startsWith('sec-websocket-')) delete headers[name]
  }
  if (length !== undefined && length !== '0') headers['content-length'] = length
  if (callerTokenOf !== null) headers.authorization = `Bearer ${callerToken(call, callerTokenOf).reveal()}`
  if (credential !== null) {
    const { header, scheme, secret } = credential
    headers[header] = scheme === null ? secret.reveal() : `${scheme} ${secret.reveal()}`
  }
  if (route.service.identity) {
    const told = identityHeaders(caller, { service: route.service.name, callId: call.id, at: call.at, request: null })
    for (let i = 0; i < told.length; i += 2) headers[told[i] as string] = told[i + 1] as string
  }
  const path = encodePath(stripPath ? route.below : route.path)
  const query = route.query === '' ? '' : `?${route.query}`
  return { method: req.method ?? '', path: (basePath + path || '/') + query, headers }
}

/** Where callers reach the service: by its own host if it has one, else as the listener is configured. */
function publicHost({ req }: Call, { service: { host, publicHost } }: ServiceRoute): string {
  if (host === null || !host.startsWith('*.')) return publicHost
  // It fits the pattern, or the service would not have been found.
  return (req.headers.host ?? '').toLowerCase().replace(/\.?(?::\d*)?$/, '') + publicHost.slice(host.length)
}
