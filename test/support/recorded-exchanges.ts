import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OperationId } from '#core/operations.ts'
import type { FormatName } from '#providers/wire-format.ts'

/** Recorded exchanges with real providers; public data that is not part of this repository. */
const recordedFolder = join(import.meta.dirname, '../../../shared/data/provider-streams')

/** Why tests over them are left out; false = they are there. */
export const withoutRecordings = existsSync(recordedFolder) ? false : `no recorded exchanges in ${recordedFolder}`

export interface Recording {
  readonly file: string
  readonly provider: string
  readonly stream: boolean
  readonly status: number
}

export interface RecordedExchange {
  readonly request: { readonly path: string; readonly body: Record<string, unknown> } | null
  readonly response: { readonly status: number; readonly headers: Record<string, string>; readonly body: string }
  /** The reports of use, in the order in which they came. */
  readonly usage: readonly Record<string, unknown>[]
  readonly rewrapped?: boolean
  readonly requestBlobsElided?: number
}

export const recordedRoutes: Readonly<
  Record<string, { readonly format: FormatName; readonly operation: OperationId }>
> = {
  'openai-chat': { format: 'openai', operation: 'openai.chat' },
  'openai-responses': { format: 'openai', operation: 'openai.responses' },
  'anthropic-messages': { format: 'anthropic', operation: 'anthropic.messages' },
  gemini: { format: 'gemini', operation: 'gemini.stream' },
}

/** The recordings of the formats that the gateway speaks. */
export function recordings(): Recording[] {
  return readFileSync(join(recordedFolder, 'index.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Recording)
    .filter(({ provider }) => provider in recordedRoutes)
}

export function readRecording({ file }: Recording): RecordedExchange {
  return JSON.parse(readFileSync(join(recordedFolder, file), 'utf8'))
}

type Json = Record<string, unknown>
const number = (value: unknown) => (typeof value === 'number' ? value : 0)
const inside = (value: unknown, name: string) => (value as Json | null | undefined)?.[name]

/** What a recording says was used, worked out from its list of reports and not from its bytes; null = it does not say. */
export function recordedUsage(provider: string, { usage }: RecordedExchange) {
  const last = usage.at(-1)
  if (last === undefined) return null
  switch (provider) {
    case 'openai-chat': {
      const input = number(last.prompt_tokens)
      const output = Math.max(number(last.completion_tokens), number(last.total_tokens) - input)
      const reasoning = number(inside(last.completion_tokens_details, 'reasoning_tokens'))
      const details = number(inside(last.prompt_tokens_details, 'cached_tokens'))
      return { input, output, reasoning, cachedInput: details || number(last.cached_tokens ?? last.num_cached_tokens) }
    }
    case 'openai-responses':
      return {
        input: number(last.input_tokens),
        output: number(last.output_tokens),
        reasoning: number(inside(last.output_tokens_details, 'reasoning_tokens')),
        cachedInput: number(inside(last.input_tokens_details, 'cached_tokens')),
      }
    case 'anthropic-messages': {
      const merged: Json = Object.assign({}, ...usage)
      const samplings = (merged.iterations as Json[] | undefined) ?? [merged]
      const total = (...names: string[]) =>
        samplings.reduce((sum, sampling) => sum + names.reduce((part, name) => part + number(sampling[name]), 0), 0)
      return {
        input: total('input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'),
        output: total('output_tokens'),
        reasoning: number(inside(merged.output_tokens_details, 'thinking_tokens')),
        cachedInput: total('cache_read_input_tokens'),
      }
    }
    case 'gemini': {
      const counted = usage.findLast(report => 'promptTokenCount' in report) ?? {}
      return {
        input: number(counted.promptTokenCount) + number(counted.toolUsePromptTokenCount),
        output: number(counted.candidatesTokenCount) + number(counted.thoughtsTokenCount),
        reasoning: number(counted.thoughtsTokenCount),
        cachedInput: number(counted.cachedContentTokenCount),
      }
    }
    default:
      throw new TypeError(`no rule for ${provider}`)
  }
}
