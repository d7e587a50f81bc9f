import type { OperationId } from '#core/operations.ts'
import type { JsonObject } from '#http/strict-json.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { member } from './counts.ts'
import { estimateInput } from './estimate.ts'
import { inlineMedia } from './inline-media.ts'

/** What a call may use at most, known before it is made; in tokens. */
export interface UsageBound {
  /** No provider counts more for what the body itself carries. */
  readonly input: number
  /** What the request lets the model write, over all its choices; null = as much as it likes. */
  readonly output: number | null
  /** What the input will likely be. */
  readonly estimateInput: number
  /** The first thing asked for that has no bound, in words; null = all is bounded. */
  readonly unbounded: string | null
  /** The first thing asked for that the list of prices does not know, such as a dearer tier; null = nothing. */
  readonly unpriced: string | null
}

/**
 * A token of text is at least a byte, and the names and brackets around it pay for what providers put around a message.
 * What does not follow from its bytes has a bound of its own.
 */
const FRAME = 64
/** The dearest image of any vendor: eight tiles at 5667 and 2833 (gpt-4o-mini, high detail), rounded up. */
const IMAGE = 50_000
/** Pages and frames compress to next to nothing: a document or video may fill the largest context there is. */
const DOCUMENTS = 2_000_000
/** Instructions that a provider adds once where there are tools, and for each tool of its own that the caller runs. */
const TOOLS = 1024

/** Upper bound and estimate before the call. `modelMaxOutput`: what is enforced on the model, null = nothing. */
export function boundUsage(
  format: FormatName,
  operation: OperationId,
  body: JsonObject,
  bodyBytes: number,
  modelMaxOutput: number | null,
): UsageBound {
  const media = inlineMedia(body)
  const tools = Array.isArray(body.tools) ? body.tools : []
  const input =
    bodyBytes +
    FRAME +
    media.images * IMAGE +
    (media.documents > 0 ? DOCUMENTS : 0) +
    (tools.length === 0 ? 0 : TOOLS) +
    tools.filter(isPredefined).length * TOOLS
  return {
    input,
    output: boundOutput(format, operation, body, modelMaxOutput),
    estimateInput: estimateInput(format, body, bodyBytes),
    unbounded: media.elsewhere ?? unboundedFeature(format, body, tools),
    unpriced: unpricedFeature(format, body),
  }
}

/** What a request lets the model write at most, over all its choices; null = as much as it likes. */
export function boundOutput(
  format: FormatName,
  operation: OperationId,
  body: JsonObject,
  modelMaxOutput: number | null = null,
): number | null {
  if (operation === 'openai.embeddings') return 0
  const limits = outputLimits(format, operation, body)
  if (!limits.every(isLimit)) return null
  // Two spellings may both be given: which one counts is the server's affair.
  const one = limits.length > 0 ? Math.max(...limits) : modelMaxOutput
  if (one === null) return null
  const choices = choicesOf(format, body)
  const total = choices === null ? null : one * choices + thoughtsBeside(format, body)
  return total === null || total > Number.MAX_SAFE_INTEGER ? null : total
}

/** What the body says of the output of one choice at most, by whichever names the operation knows for it; as given. */
export function outputLimits(format: FormatName, operation: OperationId, body: JsonObject): unknown[] {
  return givenLimits(format, operation, body).filter(value => value !== null && value !== undefined)
}

function givenLimits(format: FormatName, operation: OperationId, body: JsonObject): unknown[] {
  switch (format) {
    case 'openai':
      return operation === 'openai.responses' ? [body.max_output_tokens] : [body.max_tokens, body.max_completion_tokens]
    case 'anthropic':
      return [body.max_tokens]
    case 'gemini':
      return generationConfigs(body).flatMap(config => [
        member(config, 'maxOutputTokens'),
        member(config, 'max_output_tokens'),
      ])
  }
}

/** A bound that any server takes for one: some read 0, -1 or a text as none at all. */
export function isLimit(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function isCount(value: unknown): value is number {
  return value === 0 || isLimit(value)
}

function generationConfigs(body: JsonObject): unknown[] {
  return [body.generationConfig, body.generation_config]
}

/** How many answers are written; null = not to be known. */
function choicesOf(format: FormatName, body: JsonObject): number | null {
  const given =
    format === 'openai'
      ? [body.n, body.best_of]
      : format === 'anthropic'
        ? []
        : generationConfigs(body).flatMap(config => [
            member(config, 'candidateCount'),
            member(config, 'candidate_count'),
          ])
  const counts = given.filter(value => value !== null && value !== undefined)
  return counts.every(isCount) ? Math.max(1, ...counts) : null
}

/** Gemini's thinking has a budget of its own, which the bound of the answer is not certain to hold. */
function thoughtsBeside(format: FormatName, body: JsonObject): number {
  if (format !== 'gemini') return 0
  const budgets = generationConfigs(body).flatMap(config => {
    const thinking = [member(config, 'thinkingConfig'), member(config, 'thinking_config')]
    return thinking.flatMap(config => [member(config, 'thinkingBudget'), member(config, 'thinking_budget')])
  })
  return Math.max(0, ...budgets.filter(isLimit))
}

/** Tools that the caller's own program runs: what they bring in comes with a later request. */
const RUN_BY_CALLER = /^(?:function|custom|local_shell|apply_patch|computer|computer_use_preview)$/
const RUN_BY_CALLER_OF_ANTHROPIC = /^(?:custom|bash_\d+|text_editor_\d+|computer_\d+|memory_\d+)$/
const RUN_BY_CALLER_OF_GEMINI = /^(?:functionDeclarations|function_declarations|computerUse|computer_use)$/

/** Members by which a provider does more than one answer to what was sent. */
const BEYOND: Readonly<Record<FormatName, readonly string[]>> = {
  openai: [
    'web_search_options',
    'prediction',
    'background',
    'previous_response_id',
    'conversation',
    'prompt',
    // Of OpenRouter, xAI and Groq.
    'plugins',
    'search_parameters',
    'search_settings',
    'compound_custom',
  ],
  anthropic: ['mcp_servers', 'container', 'context_management'],
  gemini: ['cachedContent', 'cached_content'],
}

function unboundedFeature(format: FormatName, body: JsonObject, tools: readonly unknown[]): string | null {
  for (const name of BEYOND[format]) if (isSet(body[name])) return name
  // Several answers are written, one is sent.
  const mode = member(body.reasoning, 'mode')
  if (isSet(mode) && mode !== 'standard') return 'reasoning.mode'
  for (const tool of tools) {
    const name = toolOfProvider(format, tool)
    if (name !== null) return `the tool ${name.slice(0, 64)}`
  }
  return null
}

/** What no provider charges more for than its list says; `auto` is the account's, whose tier is the operator's choice. */
const USUAL_TIERS = new Set<unknown>(['auto', 'default', 'standard', 'standard_only', 'flex', undefined, null])

/** What a caller may ask for that costs more than the list of prices says. */
function unpricedFeature(format: FormatName, body: JsonObject): string | null {
  if (!USUAL_TIERS.has(body.service_tier)) return `service_tier ${JSON.stringify(body.service_tier).slice(0, 64)}`
  if (format !== 'anthropic') return null
  for (const name of ['speed', 'inference_geo']) if (isSet(body[name])) return name
  return keepsLong(body) ? 'a cache that is kept for more than five minutes' : null
}

/** Whether any part of a request asks for a cache of another time than the usual one. */
function keepsLong(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(keepsLong)
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'cache_control' && isSet(member(inner, 'ttl')) && member(inner, 'ttl') !== '5m') return true
    if (name !== 'input_schema' && keepsLong(inner)) return true
  }
  return false
}

/** The name of a tool that the provider runs, which feeds the model what it finds; null = the caller runs it. */
function toolOfProvider(format: FormatName, tool: unknown): string | null {
  if (format === 'gemini') {
    const names = typeof tool === 'object' && tool !== null ? Object.keys(tool) : [String(tool)]
    return names.find(name => !RUN_BY_CALLER_OF_GEMINI.test(name)) ?? null
  }
  const type = member(tool, 'type') ?? 'custom'
  const ofCaller = format === 'anthropic' ? RUN_BY_CALLER_OF_ANTHROPIC : RUN_BY_CALLER
  return typeof type === 'string' && ofCaller.test(type) ? null : String(type)
}

/** Named by its type alone: its description is the provider's, and counts as input. */
function isPredefined(tool: unknown): boolean {
  const type = member(tool, 'type')
  return type !== undefined && type !== null && type !== 'function' && type !== 'custom'
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0)
}
