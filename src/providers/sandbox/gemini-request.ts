import { type Static, Type } from 'typebox'
import type { Prompt } from './answer.ts'
import { bodyReader, optional } from './body-reader.ts'

const Part = Type.Object({
  text: Type.Optional(Type.String()),
  functionCall: Type.Optional(Type.Object({ name: Type.String(), args: Type.Optional(Type.Unknown()) })),
  functionResponse: Type.Optional(Type.Object({ name: Type.String(), response: Type.Optional(Type.Unknown()) })),
})

const Content = Type.Object({
  role: Type.Optional(Type.Union([Type.Literal('user'), Type.Literal('model'), Type.Literal('function')])),
  parts: Type.Array(Part, { minItems: 1 }),
})

const GenerateContentRequest = Type.Object({
  contents: Type.Array(Content, { minItems: 1 }),
  systemInstruction: optional(Type.Object({ parts: Type.Array(Part) })),
  tools: optional(
    Type.Array(
      Type.Object({
        functionDeclarations: Type.Optional(
          Type.Array(
            Type.Object({
              name: Type.String(),
              parameters: Type.Optional(Type.Unknown()),
              parametersJsonSchema: Type.Optional(Type.Unknown()),
            }),
          ),
        ),
      }),
    ),
  ),
  toolConfig: optional(
    Type.Object({
      functionCallingConfig: Type.Optional(
        Type.Object({
          mode: Type.Optional(
            Type.Union(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED'].map(mode => Type.Literal(mode))),
          ),
          allowedFunctionNames: Type.Optional(Type.Array(Type.String())),
        }),
      ),
    }),
  ),
  generationConfig: optional(
    Type.Object({
      maxOutputTokens: optional(Type.Integer({ minimum: 1 })),
      responseMimeType: optional(Type.String()),
      responseSchema: Type.Optional(Type.Unknown()),
      responseJsonSchema: Type.Optional(Type.Unknown()),
    }),
  ),
})

type GenerateContentRequest = Static<typeof GenerateContentRequest>

const read = bodyReader(GenerateContentRequest)

/** What the body asks, whatever its format. Throws `InvalidRequest`. */
export function readGenerateContent(body: unknown): Prompt {
  const { contents, systemInstruction, tools, toolConfig, generationConfig } = read(inCamelCase(body))
  const texts = contents.map(({ parts }) => partsText(parts))
  if (systemInstruction) texts.push(partsText(systemInstruction.parts))
  if (tools) texts.push(JSON.stringify(tools))
  const calling = toolConfig?.functionCallingConfig
  const allowed = calling?.allowedFunctionNames?.[0]
  return {
    texts,
    ...lastWords(contents),
    tools: (tools ?? [])
      .flatMap(tool => tool.functionDeclarations ?? [])
      .map(tool => ({ name: tool.name, schema: tool.parametersJsonSchema ?? tool.parameters })),
    toolChoice: calling?.mode === 'NONE' ? 'none' : allowed === undefined ? null : { name: allowed },
    output: outputOf(generationConfig),
    maxTokens: generationConfig?.maxOutputTokens ?? null,
  }
}

function outputOf(config: GenerateContentRequest['generationConfig']): Prompt['output'] {
  const schema = config?.responseJsonSchema ?? config?.responseSchema
  if (schema !== undefined) return { schema }
  return config?.responseMimeType === 'application/json' ? 'any' : null
}

/** The last text of the user; and the last function response, if nothing was said since. */
function lastWords(contents: GenerateContentRequest['contents']): Pick<Prompt, 'lastUserText' | 'toolResult'> {
  const ofUser = contents.filter(({ role }) => role !== 'model').map(({ parts }) => parts)
  const texts = ofUser.map(parts => parts.map(part => part.text ?? '').join(''))
  const response = ofUser.at(-1)?.findLast(part => part.functionResponse)?.functionResponse
  return {
    lastUserText: texts.findLast(text => text !== '') ?? '',
    toolResult: response ? JSON.stringify(response.response ?? {}) : null,
  }
}

function partsText(parts: readonly Static<typeof Part>[]): string {
  return parts
    .map(({ text, functionCall, functionResponse }) => {
      const call = functionCall ? functionCall.name + JSON.stringify(functionCall.args ?? {}) : ''
      return (text ?? '') + call + (functionResponse ? JSON.stringify(functionResponse.response ?? {}) : '')
    })
    .join('')
}

/** Their keys are the caller's own names. */
const OPAQUE = new Set([
  'args',
  'response',
  'parameters',
  'parametersJsonSchema',
  'responseSchema',
  'responseJsonSchema',
])

/** Google takes `max_output_tokens` for `maxOutputTokens`, as JSON of protocol buffers does everywhere. */
function inCamelCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inCamelCase)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      return [name, OPAQUE.has(name) ? member : inCamelCase(member)]
    }),
  )
}
