import type { OperationId } from '#core/operations.ts'
import { Problem } from '#core/problems.ts'
import { type Edit, setMember } from '#http/json-members.ts'
import type { JsonObject } from '#http/strict-json.ts'
import type { ModelTarget } from './catalog.ts'
import { isLimit, outputLimits } from './usage/bound.ts'
import type { FormatName } from './wire-format.ts'

/**
 * Holds a request to its model's maximum of output tokens: null where it asks for less by itself, else the edit that asks for
 * the maximum, or for what the caller said where the server may not know the name that it was said by. Throws `request.max_output` if it asks for more, `request.invalid_body` if what it asks for is no number of
 * tokens. `isBudgeted`: what the call says is what was reserved for it, so that the server must heed it.
 */
export function enforceOutput(
  format: FormatName,
  operation: OperationId,
  target: ModelTarget,
  json: JsonObject,
  body: Buffer,
  isBudgeted: boolean,
): Edit | null {
  const most = target.maxOutputTokens
  if (operation === 'openai.embeddings' || (most === null && !isBudgeted)) return null
  const limits = outputLimits(format, operation, json)
  if (most === null) return limits.every(isLimit) ? sayInOwnWord(operation, target, json, body, limits) : null
  for (const limit of limits) {
    if (!isLimit(limit)) {
      throw new Problem('request.invalid_body', {
        detail: 'The maximum of output tokens must be an integer of 1 or more.',
      })
    }
    if (limit > most) {
      throw new Problem('request.max_output', {
        detail: `The model ${target.model} writes ${most} tokens at most; the request asks for ${limit}.`,
      })
    }
  }
  if (limits.length === 0) return setLimit(format, operation, target, json, body, most)
  return sayInOwnWord(operation, target, json, body, limits as number[])
}

/** What the caller said by a name that the server may not know, and then would not heed. */
function sayInOwnWord(
  operation: OperationId,
  { provider: { maxTokensMember: own } }: ModelTarget,
  json: JsonObject,
  body: Buffer,
  limits: readonly number[],
): Edit | null {
  if (operation !== 'openai.chat' || own === undefined || isSet(json[own]) || limits.length === 0) return null
  return setMember(body, [own], String(Math.max(...limits)))
}

function setLimit(
  format: FormatName,
  operation: OperationId,
  { provider }: ModelTarget,
  json: JsonObject,
  body: Buffer,
  most: number,
): Edit {
  switch (format) {
    case 'openai':
      if (operation === 'openai.responses') return setMember(body, ['max_output_tokens'], String(most))
      return setMember(body, [provider.maxTokensMember ?? 'max_completion_tokens'], String(most))
    case 'anthropic':
      return setMember(body, ['max_tokens'], String(most))
    case 'gemini':
      return setInConfig(json, body, most)
  }
}

/** In the generation's configuration, by whichever spelling it is there already. */
function setInConfig(json: JsonObject, body: Buffer, most: number): Edit {
  const name = isSet(json.generation_config) ? 'generation_config' : 'generationConfig'
  const config = json[name]
  if (!isSet(config)) return setMember(body, [name], `{"maxOutputTokens":${most}}`)
  if (typeof config !== 'object' || Array.isArray(config)) {
    throw new Problem('request.invalid_body', { detail: `\`${name}\` must be an object.` })
  }
  const inner = 'max_output_tokens' in (config as object) ? 'max_output_tokens' : 'maxOutputTokens'
  return setMember(body, [name, inner], String(most))
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null
}
