import { InvalidRequest } from './invalid-request.ts'
import { SANDBOX_MAX_OUTPUT_TOKENS } from './max-output.ts'
import { schemaInstance } from './schema-instance.ts'
import { countTokens, cutTokens } from './tokens.ts'

export interface Tool {
  readonly name: string
  /** JSON schema of the arguments. */
  readonly schema: unknown
}

/** What a request asks, whatever its format. */
export interface Prompt {
  /** Everything that counts as input: system, messages, tool calls and results, and the tools as JSON. */
  readonly texts: readonly string[]
  readonly lastUserText: string
  /** Result of a tool that came after the last words of the user; null = none. */
  readonly toolResult: string | null
  readonly tools: readonly Tool[]
  /** `null` = as the model likes. */
  readonly toolChoice: 'none' | { readonly name: string } | null
  /** JSON schema that the answer must fit; `'any'` = any JSON object, null = free text. */
  readonly output: { readonly schema: unknown } | 'any' | null
  readonly maxTokens: number | null
}

export interface ToolCall {
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
}

/** What to say, before it is put in a format. */
export interface Answer {
  readonly text: string
  readonly call: ToolCall | null
  readonly finish: 'stop' | 'length' | 'tool_call'
  readonly inputTokens: number
  readonly outputTokens: number
}

/**
 * The sandbox's answer: one tool call if tools are offered and none has answered yet, else text. Deterministic.
 * A tool call that does not fit in the token limit is left out, as half an argument list is of no use; the limit is billed.
 */
export function answer(prompt: Prompt, chunks: number): Answer {
  let inputTokens = 0
  for (const text of prompt.texts) inputTokens += countTokens(text)
  const limit = prompt.maxTokens ?? SANDBOX_MAX_OUTPUT_TOKENS
  const call = chooseCall(prompt)
  if (call !== null) {
    const outputTokens = countTokens(call.name) + countTokens(JSON.stringify(call.input))
    if (outputTokens <= limit) return { text: '', call, finish: 'tool_call', inputTokens, outputTokens }
    return { text: '', call: null, finish: 'length', inputTokens, outputTokens: limit }
  }
  const { text, tokens, cut } = cutTokens(say(prompt, chunks), limit)
  return { text, call: null, finish: cut ? 'length' : 'stop', inputTokens, outputTokens: tokens }
}

function chooseCall({ tools, toolChoice, toolResult }: Prompt): ToolCall | null {
  if (toolChoice === 'none' || toolResult !== null) return null
  const tool = toolChoice === null ? tools[0] : tools.find(({ name }) => name === toolChoice.name)
  if (tool === undefined) {
    if (toolChoice === null) return null
    throw new InvalidRequest(`The tool choice names '${toolChoice.name}', which is not among the tools.`)
  }
  const input = schemaInstance(tool.schema)
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
  return { name: tool.name, input: isObject ? (input as ToolCall['input']) : {} }
}

function say(prompt: Prompt, chunks: number): string {
  if (prompt.output !== null && prompt.output !== 'any') return JSON.stringify(schemaInstance(prompt.output.schema))
  const said = prompt.toolResult === null ? 'You said' : 'The tool answered'
  const text = `This is the Ostiary sandbox. ${said}: "${beginning(prompt.toolResult ?? prompt.lastUserText)}".`
  const whole = lengthen(text, chunks)
  return prompt.output === 'any' ? JSON.stringify({ answer: whole }) : whole
}

/** The text, with enough numbers after it to be streamed in so many chunks. */
function lengthen(text: string, chunks: number): string {
  let whole = text
  for (let missing = chunks - countTokens(text), i = 1; i <= missing; i++) whole += ` ${i}`
  return whole
}

const QUOTED_CHARACTERS = 500

function beginning(text: string): string {
  if (text.length <= QUOTED_CHARACTERS) return text
  return `${text.slice(0, QUOTED_CHARACTERS).replace(/[\ud800-\udbff]$/, '')}…`
}
