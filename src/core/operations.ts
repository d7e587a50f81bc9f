/** Every operation of the gateway by the id of its route, with the scope that a key needs for it. */
export const operationScopes = {
  'openai.chat': 'chat:create',
  'openai.responses': 'responses:create',
  'openai.embeddings': 'embeddings:create',
  'openai.models': 'models:read',
  'openai.model': 'models:read',
  'anthropic.messages': 'messages:create',
  'anthropic.models': 'models:read',
  'anthropic.model': 'models:read',
  'gemini.generate': 'content:generate',
  'gemini.stream': 'content:generate',
  'gemini.models': 'models:read',
  'gemini.model': 'models:read',
} as const

export type OperationId = keyof typeof operationScopes

/** What a key may be allowed to do: one scope a kind of operation, whatever the wire format. */
export type Scope = (typeof operationScopes)[OperationId]

export const scopes: ReadonlySet<string> = new Set(Object.values(operationScopes))

export function isOperationId(text: string): text is OperationId {
  return Object.hasOwn(operationScopes, text)
}
