import { Problem } from '#core/problems.ts'
import { parseServiceTarget } from '#http/paths.ts'
import type { Question } from '#proxies/question.ts'
import type { ServiceTable } from '#services/service-table.ts'
import type { DeadEnd, DecisionRoute } from './routes.ts'
import { METHODS } from './service-route.ts'

/** What is decided about where a proxy asks: a call to a service, and nothing else. */
export function findQuestionRoute(question: Question | Problem, services: ServiceTable): DecisionRoute | DeadEnd {
  const format = 'problem+json'
  let [path, query] = ['', '']
  try {
    if (question instanceof Problem) throw question
    const { method, url, origin, headers, isUpgrade, asksForOther } = question
    ;({ path, query } = parseServiceTarget(url))
    const found = services.find(headers.host, path)
    if (found === null) throw undecided('No service is at this host and path.')
    const { service, below } = found
    if (!METHODS.includes(method)) throw undecided(`Of calls by ${method} nothing can be decided.`)
    if (isUpgrade && method !== 'GET') throw undecided('Only a GET opens a WebSocket.')
    if (isUpgrade && !service.webSocket) throw undecided('The service takes no WebSockets.')
    if (asksForOther) throw undecided('The connection would change to a protocol of which nothing can be decided.')
    const { name, action } = service.operationOf(method, below, isUpgrade)
    const plain = isUpgrade ? service.operationOf(method, below, false) : null
    const facts = { id: action.id, format, action, service, operation: name, below, plain, path, query } as const
    return { serves: 'decision', uri: origin + url, ...facts }
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    return { serves: 'nothing', id: null, format, problem, path, query }
  }
}

function undecided(detail: string): Problem {
  return new Problem('decide.not_decidable', { detail })
}
