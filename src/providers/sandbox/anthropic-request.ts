import { type Static, Type } from 'typebox'
import type { Prompt } from './answer.ts'
import { bodyReader, optional } from './body-reader.ts'

const TextBlocks = Type.Array(Type.Object({ type: Type.String(), text: Type.Optional(Type.String()) }))

const Block = Type.Object({
  type: Type.String(),
  text: Type.Optional(Type.String()),
  name: Type.Optional(Type.String()),
  input: Type.Optional(Type.Unknown()),
  content: Type.Optional(Type.Unknown()),
})

const Message = Type.Object({
  role: Type.Union([Type.Literal('user'), Type.Literal('assistant'), Type.Literal('system')]),
  content: Type.Union([Type.String(), Type.Array(Block)]),
})

const MessagesRequest = Type.Object({
  model: Type.String({ minLength: 1 }),
  max_tokens: Type.Integer({ minimum: 1 }),
  messages: Type.Array(Message, { minItems: 1 }),
  system: optional(Type.Union([Type.String(), TextBlocks])),
  stream: optional(Type.Boolean()),
  tools: optional(
    Type.Array(Type.Object({ name: Type.Optional(Type.String()), input_schema: Type.Optional(Type.Unknown()) })),
  ),
  tool_choice: optional(
    Type.Union([
      Type.Object({ type: Type.Union([Type.Literal('auto'), Type.Literal('any'), Type.Literal('none')]) }),
      Type.Object({ type: Type.Literal('tool'), name: Type.String() }),
    ]),
  ),
  output_config: optional(
    Type.Object({ format: optional(Type.Object({ type: Type.Literal('json_schema'), schema: Type.Unknown() })) }),
  ),
})

export type MessagesRequest = Static<typeof MessagesRequest>

/** Throws `InvalidRequest`. */
export const readMessages = bodyReader(MessagesRequest)

/** What the request asks, whatever its format. */
export function promptOf(request: MessagesRequest): Prompt {
  const { messages, system, tools, tool_choice: choice } = request
  const texts = messages.map(({ content }) => contentText(content))
  if (system) texts.push(contentText(system))
  if (tools) texts.push(JSON.stringify(tools))
  const format = request.output_config?.format
  return {
    texts,
    ...lastWords(messages),
    // Tools without a schema are the provider's own and are run by it.
    tools: (tools ?? []).flatMap(({ name, input_schema: schema }) =>
      name !== undefined && schema !== undefined ? [{ name, schema }] : [],
    ),
    toolChoice: choice?.type === 'none' ? 'none' : choice?.type === 'tool' ? { name: choice.name } : null,
    output: format ? { schema: format.schema } : null,
    maxTokens: request.max_tokens,
  }
}

/** The last text of the user; and the last tool result if it came in the same message or later (a user's message carries both). */
function lastWords(messages: MessagesRequest['messages']): Pick<Prompt, 'lastUserText' | 'toolResult'> {
  const ofUser = messages.filter(({ role }) => role === 'user').map(({ content }) => content)
  const texts = ofUser.map(content =>
    typeof content === 'string' ? content : contentText(content.filter(({ type }) => type === 'text')),
  )
  const lastBlocks = ofUser.at(-1)
  const result = Array.isArray(lastBlocks) ? lastBlocks.findLast(({ type }) => type === 'tool_result') : undefined
  return {
    lastUserText: texts.findLast(text => text !== '') ?? '',
    toolResult: result ? contentText(result.content) : null,
  }
}

/** All text of a content: of text blocks, tool calls and tool results. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(blockText).join('')
}

function blockText(block: Static<typeof Block>): string {
  switch (block?.type) {
    case 'text':
      return typeof block.text === 'string' ? block.text : ''
    case 'tool_use':
      return (block.name ?? '') + JSON.stringify(block.input ?? {})
    case 'tool_result':
      return contentText(block.content)
    default:
      return ''
  }
}
