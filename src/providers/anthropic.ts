import type { WireFormat } from './wire-format.ts'

export const anthropic: WireFormat = {
  name: 'anthropic',
  forwards: header => header === 'anthropic-version' || header === 'anthropic-beta',
  credentialHeaders: credential => ({ 'x-api-key': credential }),
  references: new Set(['file_id']),
  topLevelReferences: new Set(['container']),
  opaque: new Set(['input_schema', 'input', 'input_examples', 'schema', 'metadata']),
}
