import { type Problem, type ProblemCode, toProblemJson } from '#core/problems.ts'
import type { ProblemFormat } from './routes.ts'

export interface RenderedProblem {
  readonly contentType: string
  readonly body: string
}

/** A problem in the words of a dialect. */
export function renderProblem(format: ProblemFormat, problem: Problem, callId: string): RenderedProblem {
  const contentType = format === 'problem+json' ? 'application/problem+json' : 'application/json'
  if (problem.detail !== undefined) return { contentType, body: writeBody(format, problem, callId) }
  let template = templates[format].get(problem.code)
  if (template === undefined) {
    template = writeBody(format, problem, CALL_ID).split(CALL_ID)
    templates[format].set(problem.code, template)
  }
  return { contentType, body: template.join(callId) }
}

/** Stands where the id of the call goes; nothing else of a body without detail differs from call to call. */
const CALL_ID = '<call id>'
const templates: Readonly<Record<ProblemFormat, Map<ProblemCode, string[]>>> = {
  openai: new Map(),
  anthropic: new Map(),
  gemini: new Map(),
  'problem+json': new Map(),
}

function writeBody(format: ProblemFormat, problem: Problem, callId: string): string {
  return JSON.stringify(format === 'problem+json' ? toProblemJson(problem, callId) : errorBody[format](problem, callId))
}

/** The event that ends a broken stream. */
export function renderStreamError(format: ProblemFormat, problem: Problem, callId: string): string {
  if (format === 'anthropic') return `event: error\ndata: ${JSON.stringify(errorBody.anthropic(problem, callId))}\n\n`
  if (format === 'gemini') return `data: ${JSON.stringify(errorBody.gemini(problem, callId))}\r\n\r\n`
  return `data: ${JSON.stringify(errorBody.openai(problem, callId))}\n\n`
}

const errorBody = {
  openai: (problem: Problem, _callId: string) => ({
    error: {
      message: messageOf(problem),
      type: openaiType(problem.status),
      param: null,
      code: openaiCode(problem),
    },
  }),
  anthropic: (problem: Problem, callId: string) => ({
    type: 'error',
    error: { type: anthropicType(problem.status), message: messageOf(problem) },
    request_id: callId,
  }),
  gemini: (problem: Problem, callId: string) => ({
    error: {
      code: problem.status,
      message: messageOf(problem),
      status: geminiStatus(problem.status),
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: problem.code.toUpperCase().replace('.', '_'),
          domain: 'ostiary',
          metadata: { request_id: callId },
        },
      ],
    },
  }),
}

function messageOf(problem: Problem): string {
  return problem.detail === undefined ? `${problem.title}.` : `${problem.title}: ${problem.detail}`
}

/** Clients match on these codes of OpenAI's; all others are ours. */
function openaiCode(problem: Problem): string {
  if (problem.code === 'auth.invalid_credential') return 'invalid_api_key'
  if (problem.code === 'model.not_found') return 'model_not_found'
  if (problem.code === 'limits.rate_exceeded') return 'rate_limit_exceeded'
  if (problem.code === 'budget.exhausted') return 'insufficient_quota'
  return problem.code
}

function openaiType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error'
    case 402:
      return 'billing_error'
    case 403:
      return 'permission_error'
    case 404:
      return 'not_found_error'
    case 413:
      return 'request_too_large'
    case 429:
      return 'rate_limit_error'
    case 503:
    case 529:
      return 'overloaded_error'
    case 504:
      return 'timeout_error'
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error'
  }
}

/** Canonical status names of google.rpc.Code. */
function geminiStatus(status: number): string {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED'
    case 403:
      return 'PERMISSION_DENIED'
    case 404:
      return 'NOT_FOUND'
    case 402:
    case 429:
      return 'RESOURCE_EXHAUSTED'
    case 502:
    case 503:
      return 'UNAVAILABLE'
    case 504:
      return 'DEADLINE_EXCEEDED'
    default:
      return status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT'
  }
}
