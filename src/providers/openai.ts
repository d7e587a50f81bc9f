import type { WireFormat } from './wire-format.ts'

export const openai: WireFormat = {
  name: 'openai',
  // Organisation and project choose whom the operator's account bills: not the caller's to say.
  forwards: header => header.startsWith('openai-') && header !== 'openai-organization' && header !== 'openai-project',
  credentialHeaders: credential => ({ authorization: `Bearer ${credential}` }),
  references: new Set([
    'file_id',
    'file_ids',
    'vector_store_ids',
    'container_id',
    'skill_id',
    'item_reference',
    'container_reference',
    'skill_reference',
  ]),
  refersById,
  topLevelReferences: new Set(['previous_response_id', 'conversation', 'prompt', 'background']),
  opaque: new Set(['parameters', 'schema', 'metadata']),
}

/**
 * An item of a stored response may be named by its id alone, its type left out (`ItemReferenceParam`); an earlier
 * answer's audio likewise; and reasoning without its encrypted content is looked up in the account.
 */
function refersById(value: Record<string, unknown>): boolean {
  if (typeof value.id !== 'string') return false
  if (value.type === 'reasoning') return (value.encrypted_content ?? null) === null
  return (value.type ?? null) === null && (value.role ?? null) === null
}
