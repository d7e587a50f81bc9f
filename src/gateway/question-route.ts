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
    const { method, url, origin, headers, isUpgrade } = question
    ;({ path, query } = parseServiceTarget(url))
    const found = services.find(headers.host, path)
    if (found === null) throw undecided('No service is at this host and path.')
    const { service, below } = found
    if (!METHODS.includes(method)) throw undecided(`Of calls by ${method} nothing can be decided.`)
    if (isUpgrade && !service.webSocket) throw undecided('The service takes no WebSockets.')
    const { name, action } = service.operationOf(method, below, isUpgrade)
    const facts = { id: action.id, format, action, service, operation: name, below, path, query } as const
    return { serves: 'decision', uri: origin + url, ...facts }
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    return { serves: 'nothing', id: null, format, problem, path, query }
  }
}

function undecided(detail: string): Problem {
  return new Problem('decide.not_decidable', { detail })
}
