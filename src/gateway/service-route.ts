import type { IncomingMessage } from 'node:http'
import { Problem } from '#core/problems.ts'
import { parseServiceTarget, type Target } from '#http/paths.ts'
import { showsUpgrade, upgradeOf } from '#http/upgrades.ts'
import type { ServiceTable } from '#services/service-table.ts'
import type { DeadEnd, ServiceRoute } from './routes.ts'

/**
 * Methods that are passed on: those of RFC 9110 less TRACE and CONNECT, PATCH (RFC 5789) and QUERY. Others name a second
 * resource in a header, as COPY and MOVE do (RFC 4918 §9.8), which nothing here would decide about.
 */
export const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY']

/** Where a request leads among the services; null = nowhere. */
export function findServiceRoute(req: IncomingMessage, services: ServiceTable): ServiceRoute | DeadEnd | null {
  if (services.isEmpty) return null
  const { method = '', url = '' } = req
  const target = parse(url)
  if (target === null) return null
  const found = services.find(req.headers.host, target.path)
  if (found === null) return null
  const { service, below } = found
  const { upstream } = service
  if (upstream === null) return nothing(target, new Problem('route.not_found', { reason: 'only_decided' }))
  if (!METHODS.includes(method)) {
    return nothing(target, new Problem('route.method_not_allowed', { headers: { allow: METHODS.join(', ') } }))
  }
  if (method !== 'GET' && showsUpgrade(req.headers)) {
    return nothing(target, new Problem('request.malformed', { reason: 'upgrade' }))
  }
  const isUpgrade = service.webSocket && upgradeOf(req) !== undefined
  const { name, action } = service.operationOf(method, below, isUpgrade)
  return {
    serves: 'service',
    id: action.id,
    format: 'problem+json',
    action,
    service: { ...service, upstream },
    operation: name,
    below,
    plain: isUpgrade ? service.operationOf(method, below, false) : null,
    ...target,
  }
}

/** null = what is no path of a service is no path of the gateway’s own either, and is refused there. */
function parse(url: string): Target | null {
  try {
    return parseServiceTarget(url)
  } catch (problem) {
    if (problem instanceof Problem) return null
    throw problem
  }
}

function nothing(target: Target, problem: Problem): DeadEnd {
  return { serves: 'nothing', id: null, format: 'problem+json', problem, ...target }
}
