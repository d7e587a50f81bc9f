import type { ReplyHeaders } from '#core/exchange.ts'
import { jsonScript, providerId, type Script } from './script.ts'

/** `gemini-array` = streamed as one JSON array, in which an error is an element too. */
export type Format = 'openai' | 'anthropic' | 'gemini' | 'gemini-array'

type ErrorStatus = 400 | 404 | 500 | 503 | 529

const openaiTypes = {
  400: 'invalid_request_error',
  404: 'invalid_request_error',
  500: 'server_error',
  503: 'server_error',
  529: 'server_error',
}
const anthropicTypes = {
  400: 'invalid_request_error',
  404: 'not_found_error',
  500: 'api_error',
  503: 'overloaded_error',
  529: 'overloaded_error',
}
const geminiStatuses = {
  400: 'INVALID_ARGUMENT',
  404: 'NOT_FOUND',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  529: 'UNAVAILABLE',
}

/** An error as the provider of this format would answer it. */
export function errorScript(
  format: Format,
  status: ErrorStatus,
  message: string,
  now: number,
  param: string | null = null,
  extra: ReplyHeaders = {},
): Script {
  const requestId = providerId('req_', now)
  switch (format) {
    case 'openai': {
      const error = { message, type: openaiTypes[status], param, code: status === 404 ? 'unknown_url' : null }
      return jsonScript(status, { 'x-request-id': requestId, ...extra }, { error })
    }
    case 'anthropic': {
      const error = { type: anthropicTypes[status], message }
      return jsonScript(status, { 'request-id': requestId, ...extra }, { type: 'error', error, request_id: requestId })
    }
    case 'gemini':
    case 'gemini-array': {
      const body = { error: { code: status, message, status: geminiStatuses[status] } }
      const headers = { 'content-type': 'application/json; charset=UTF-8', ...extra }
      return jsonScript(status, headers, format === 'gemini' ? body : [body])
    }
  }
}
