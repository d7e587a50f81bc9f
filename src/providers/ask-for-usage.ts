import type { OperationId } from '#core/operations.ts'
import { type Edit, setMember } from '#http/json-members.ts'
import type { JsonObject } from '#http/strict-json.ts'
import type { Provider } from './catalog.ts'

/**
 * A chat stream of OpenAI's format tells its use only if asked to. The edit that asks, where the caller did not: then the
 * extra chunk is not the caller's, and is taken out again. null = the caller asked, or there is nothing to ask.
 */
export function askForUsage(operation: OperationId, provider: Provider, json: JsonObject, body: Buffer): Edit | null {
  if (operation !== 'openai.chat' || json.stream !== true || provider.streamUsage === 'leave') return null
  const options = json.stream_options
  if (options === undefined || options === null) return setMember(body, ['stream_options'], '{"include_usage":true}')
  // Not what it should be: the provider will say so.
  if (typeof options !== 'object' || Array.isArray(options)) return null
  const asked = (options as JsonObject).include_usage
  return asked === undefined || asked === null || asked === false
    ? setMember(body, ['stream_options', 'include_usage'], 'true')
    : null
}
