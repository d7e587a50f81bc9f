import { readNewest } from '#audit/read-newest.ts'
import { modelActions } from '#core/action.ts'
import type { CallEvent, RefusalsEvent } from '#core/events.ts'
import { Problem, problemTypes } from '#core/problems.ts'
import { type Ceiling, explain } from '#policy/explain.ts'
import { createQuestionReader, decisionOf, type MissingInput, NotRecorded } from '#policy/replay/recorded-call.ts'
import { type ExplanationView, viewExplanation } from '#policy/view-explanation.ts'
import type { Io } from './command.ts'
import type { ConfiguredPolicies } from './configured-policies.ts'
import { openAudit } from './open-audit.ts'
import { describeDecision, renderExplanation, renderRows } from './render-explanation.ts'

/** A call on record: what came of it then, and what its caller is answered for the same under the policies at hand. */
export interface ExplainedRequest {
  readonly request: {
    readonly id: string
    /** Of the call; of one that was only counted, of the first that was counted with it. */
    readonly at: string
    /** Id of the credential; null = nobody was known. */
    readonly credential: string | null
    /** `openai.chat`; null = no such path. */
    readonly action: string | null
    /** Name of the model or of the service; null = it was refused before that was read. */
    readonly resource: string | null
    readonly source: string
    /** null = it was only counted. */
    readonly status: number | null
    readonly problem: string | null
    /** What the caller was not told. */
    readonly reason: string | null
    /** What the policies said; null = they were not asked. */
    readonly decision: {
      readonly allowed: boolean
      readonly policies: readonly string[]
      readonly error: string | null
    } | null
  }
  /** null = the policies cannot be asked about it. */
  readonly now: ExplanationView | null
  /** What a call is asked and the record does not hold: `now` says nothing of it. */
  readonly not_on_record: readonly (Ceiling | MissingInput | 'caller')[]
}

/** Rejects with `event.not_found`. */
export async function explainRequest(id: string, configured: ConfiguredPolicies, io: Io): Promise<ExplainedRequest> {
  const event = await findEvent(id, io)
  if (event.type === 'refusals') return { request: requestOf(id, event), now: null, not_on_record: ['caller'] }
  try {
    return { request: requestOf(id, event), ...askNow(event, configured) }
  } catch (error) {
    if (!(error instanceof NotRecorded)) throw error
    return { request: requestOf(id, event), now: null, not_on_record: [error.input] }
  }
}

async function findEvent(id: string, io: Io): Promise<CallEvent | RefusalsEvent> {
  await using reader = await openAudit(io, { snapshot: true })
  // In the mode `durable` its admission has the same id.
  const { events } = await readNewest(reader, { id }, 2)
  const event = events.findLast(({ type }) => type === 'call' || type === 'refusals')
  if (event?.type === 'call' || event?.type === 'refusals') return event
  throw new Problem('event.not_found', { detail: `There is no event of a call ${id}.` })
}

function requestOf(id: string, event: CallEvent | RefusalsEvent): ExplainedRequest['request'] {
  const { source, route, problem, reason, credential } = event
  const at = new Date(event.at).toISOString()
  if (event.type === 'refusals') {
    return { id, at, credential, action: route, resource: null, source, status: null, problem, reason, decision: null }
  }
  const { service, model, status, principal, policyError = null } = event
  const was = decisionOf(event)
  return {
    id,
    at,
    credential: credential ?? principal?.id ?? null,
    action: service === undefined ? route : `${service.name}.${service.operation}`,
    resource: service?.name ?? model,
    source,
    status,
    problem,
    reason,
    decision: was && { ...was, error: policyError },
  }
}

/** What a key or token says of its ceilings is in no event, and its scopes are where policies were asked. */
const UNKNOWN: readonly Ceiling[] = ['addresses', 'operations', 'models']
const UNKNOWN_BEFORE: readonly Ceiling[] = [...UNKNOWN, 'scopes', 'login', 'requirements']

function askNow(
  event: CallEvent,
  { config, open }: ConfiguredPolicies,
): Pick<ExplainedRequest, 'now' | 'not_on_record'> {
  const recorded = createQuestionReader(open)(event)
  if (recorded === null) return { now: null, not_on_record: [event.principal === null ? 'caller' : 'action'] }
  const { principal, action, resource, context } = recorded
  const sandbox = resource.provider !== null && config.providers[resource.provider]?.format === 'sandbox'
  const question = {
    principal,
    action,
    resource: { ...resource, sandbox },
    context,
    conditions: open.conditionsOf(principal, action),
  }
  const explanation = explain(question, open.policies, open.vocabulary)
  const unknown = decisionOf(event) === null ? UNKNOWN_BEFORE : UNKNOWN
  const known = explanation.ceilings.filter(({ ceiling }) => !unknown.includes(ceiling))
  const { features = [] } = event.authorization ?? {}
  const { address, at, method } = context
  const shown = {
    ...{ address, at, features: () => features },
    ...(method !== undefined && { method }),
    ...(event.service !== undefined && { path: event.service.path }),
  }
  const view = viewExplanation(
    { ...question, context: shown },
    {
      ...explanation,
      ceilings: known,
      allowed: explanation.decision.allowed && known.every(({ holds }) => holds),
    },
    null,
  )
  return { now: view, not_on_record: unknown }
}

export function renderRequest({ request, now, not_on_record: missing }: ExplainedRequest): string {
  const { id, at, credential, action, resource, source, status, problem, reason, decision } = request
  const title = problem !== null && Object.hasOwn(problemTypes, problem) ? titleOf(problem) : ''
  const answer = [status ?? '', problem ?? 'no problem'].join(' ').trim()
  const rows = renderRows([
    ['credential', credential ?? 'nobody known'],
    [
      'asked',
      `${action ?? 'a path that there is not'}${resource === null ? '' : ` on ${resource}`} from ${source} at ${at}`,
    ],
    ['answered', `${answer}${title}`],
    ...(reason === null ? [] : [['because', reason] as const]),
    ['policies', decision === null ? 'were not asked' : describeDecision(decision)],
    ...(decision?.error == null ? [] : [['error', decision.error] as const]),
  ])
  const then = `${id} on record\n${rows}`
  if (now === null)
    return `${then}\nThe policies of now cannot be asked: ${describeMissing(missing)}.\n${hintOf(request)}`
  return `${then}\nThe same under the policies of now: ${renderExplanation(now)}\nNot on record, and so not asked: ${missing.join(', ')}.\n${hintOf(request)}`
}

function titleOf(code: string): string {
  return `: ${problemTypes[code as keyof typeof problemTypes].title.toLowerCase()}`
}

function describeMissing(missing: ExplainedRequest['not_on_record']): string {
  if (missing.includes('caller')) return 'nobody was known'
  return missing.includes('action') ? 'there is no such action any more' : `${missing.join(', ')} not on record`
}

/** Of a key the running gateway knows all. */
function hintOf({ credential, action, resource }: ExplainedRequest['request']): string {
  if (credential === null || !/^key_[0-9a-z]+$/.test(credential) || action === null) return ''
  const isOfModels = modelActions.some(({ id }) => id === action)
  const on = isOfModels ? ` --model ${resource ?? 'NAME'}` : ''
  return `Of the key as it is now: ostiary policy explain --key ${credential} --action ${action}${on}\n`
}
