import { type Static, Type } from 'typebox'
import type { Prompt } from './answer.ts'
import { bodyReader, optional } from './body-reader.ts'

const Text = Type.Union([
  Type.String(),
  Type.Array(Type.Object({ type: Type.String(), text: optional(Type.String()) })),
])

const Item = Type.Object({
  type: optional(Type.String()),
  role: optional(Type.String()),
  content: optional(Text),
  name: optional(Type.String()),
  arguments: optional(Type.String()),
  output: Type.Optional(Type.Unknown()),
})

const Named = Type.Object({ name: Type.String() })

const ResponsesRequest = Type.Object({
  model: Type.String({ minLength: 1 }),
  input: Type.Union([Type.String(), Type.Array(Item, { minItems: 1 })]),
  instructions: optional(Type.String()),
  stream: optional(Type.Boolean()),
  max_output_tokens: optional(Type.Integer({ minimum: 1 })),
  tools: optional(
    Type.Array(
      Type.Object({
        type: Type.String(),
        name: Type.Optional(Type.String()),
        parameters: Type.Optional(Type.Unknown()),
      }),
    ),
  ),
  tool_choice: optional(
    Type.Union([
      Type.Literal('none'),
      Type.Literal('auto'),
      Type.Literal('required'),
      Type.Object({
        type: Type.String(),
        name: Type.Optional(Type.String()),
        tools: Type.Optional(Type.Array(Named, { minItems: 1 })),
      }),
    ]),
  ),
  text: optional(
    Type.Object({
      format: optional(
        Type.Object({
          type: Type.Union([Type.Literal('text'), Type.Literal('json_object'), Type.Literal('json_schema')]),
          schema: Type.Optional(Type.Unknown()),
        }),
      ),
    }),
  ),
})

export type ResponsesRequest = Static<typeof ResponsesRequest>

/** Throws `InvalidRequest`. */
export const readResponses = bodyReader(ResponsesRequest)

/** What the request asks, whatever its format. */
export function promptOf(request: ResponsesRequest): Prompt {
  const { input, instructions, tools, text } = request
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : input
  const texts = items.map(itemText)
  if (instructions) texts.push(instructions)
  if (tools) texts.push(JSON.stringify(tools))
  const user = items.findLastIndex(({ role }) => role === 'user')
  const result = items.findLastIndex(({ type }) => type === 'function_call_output')
  const format = text?.format
  return {
    texts,
    lastUserText: user < 0 ? '' : itemText(items[user] as Item),
    toolResult: result > user ? itemText(items[result] as Item) : null,
    tools: (tools ?? []).flatMap(({ type, name, parameters }) =>
      type === 'function' && name !== undefined ? [{ name, schema: parameters }] : [],
    ),
    toolChoice: toolChoiceOf(request),
    output: format?.type === 'json_schema' ? { schema: format.schema } : format?.type === 'json_object' ? 'any' : null,
    maxTokens: request.max_output_tokens ?? null,
  }
}

type Item = Static<typeof Item>

function toolChoiceOf({ tool_choice: choice }: ResponsesRequest): Prompt['toolChoice'] {
  if (choice === 'none') return 'none'
  if (typeof choice !== 'object' || choice === null) return null
  const name = choice.type === 'function' ? choice.name : choice.tools?.[0]?.name
  return name === undefined ? null : { name }
}

/** All text of a message, a call or a result. */
function itemText(item: Item): string {
  const { content, name, output } = item
  return partsText(content) + (name ?? '') + (item.arguments ?? '') + partsText(output)
}

function partsText(value: unknown): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return ''
  return value.map(part => (typeof part?.text === 'string' ? part.text : '')).join('')
}
