import { type Static, Type } from 'typebox'
import type { Prompt } from './answer.ts'
import { bodyReader, optional } from './body-reader.ts'

const Text = Type.Union([
  Type.String(),
  Type.Null(),
  Type.Array(Type.Object({ type: Type.String(), text: optional(Type.String()) })),
])

const Message = Type.Object({
  role: Type.Union(['developer', 'system', 'user', 'assistant', 'tool', 'function'].map(role => Type.Literal(role))),
  content: Type.Optional(Text),
  tool_calls: optional(
    Type.Array(
      Type.Object({ function: Type.Optional(Type.Object({ name: Type.String(), arguments: Type.String() })) }),
    ),
  ),
})

const Named = Type.Object({ function: Type.Object({ name: Type.String() }) })

const ChatRequest = Type.Object({
  model: Type.String({ minLength: 1 }),
  messages: Type.Array(Message, { minItems: 1 }),
  stream: optional(Type.Boolean()),
  stream_options: optional(Type.Object({ include_usage: optional(Type.Boolean()) })),
  n: optional(Type.Integer({ minimum: 1, maximum: 16 })),
  max_tokens: optional(Type.Integer({ minimum: 1 })),
  max_completion_tokens: optional(Type.Integer({ minimum: 1 })),
  tools: optional(
    Type.Array(
      Type.Object({
        type: Type.String(),
        function: Type.Optional(Type.Object({ name: Type.String(), parameters: Type.Optional(Type.Unknown()) })),
      }),
    ),
  ),
  tool_choice: optional(
    Type.Union([
      Type.Literal('none'),
      Type.Literal('auto'),
      Type.Literal('required'),
      Named,
      Type.Object({ allowed_tools: Type.Object({ tools: Type.Array(Named, { minItems: 1 }) }) }),
    ]),
  ),
  response_format: optional(
    Type.Object({
      type: Type.Union([Type.Literal('text'), Type.Literal('json_object'), Type.Literal('json_schema')]),
      json_schema: Type.Optional(Type.Object({ name: Type.String(), schema: Type.Optional(Type.Unknown()) })),
    }),
  ),
})

export type ChatRequest = Static<typeof ChatRequest>

/** Throws `InvalidRequest`. */
export const readChat = bodyReader(ChatRequest)

/** What the request asks, whatever its format. */
export function promptOf(request: ChatRequest): Prompt {
  const { messages, tools, response_format: format } = request
  const texts = messages.map(message => textOf(message.content))
  for (const { tool_calls } of messages) {
    for (const call of tool_calls ?? []) if (call.function) texts.push(call.function.name, call.function.arguments)
  }
  if (tools) texts.push(JSON.stringify(tools))
  const user = messages.findLastIndex(({ role }) => role === 'user')
  const result = messages.findLastIndex(({ role }) => role === 'tool' || role === 'function')
  return {
    texts,
    lastUserText: textOf(messages[user]?.content),
    toolResult: result > user ? textOf(messages[result]?.content) : null,
    tools: (tools ?? []).flatMap(tool =>
      tool.function ? [{ name: tool.function.name, schema: tool.function.parameters }] : [],
    ),
    toolChoice: toolChoiceOf(request),
    output:
      format?.type === 'json_schema'
        ? { schema: format.json_schema?.schema }
        : format?.type === 'json_object'
          ? 'any'
          : null,
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? null,
  }
}

function toolChoiceOf({ tool_choice: choice }: ChatRequest): Prompt['toolChoice'] {
  if (choice === 'none') return 'none'
  if (typeof choice !== 'object' || choice === null) return null
  const named = 'function' in choice ? choice : choice.allowed_tools.tools[0]
  return named ? { name: named.function.name } : null
}

function textOf(content: Static<typeof Text> | undefined): string {
  if (typeof content === 'string') return content
  return (content ?? []).map(part => part.text ?? '').join('')
}
