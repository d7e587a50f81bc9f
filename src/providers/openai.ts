import type { WireFormat } from './wire-format.ts'

export const openai: WireFormat = {
  name: 'openai',
  // Organisation and project choose whom the operator's account bills: not the caller's to say.
  forwards: header => header.startsWith('openai-') && header !== 'openai-organization' && header !== 'openai-project',
  credentialHeaders: credential => ({ authorization: `Bearer ${credential}` }),
  references: new Set(['file_id', 'file_ids', 'vector_store_ids', 'item_reference']),
  topLevelReferences: new Set(['previous_response_id', 'conversation', 'prompt', 'background']),
  opaque: new Set(['parameters', 'schema', 'metadata']),
}
