import type { WireFormat } from './wire-format.ts'

export const gemini: WireFormat = {
  name: 'gemini',
  forwards: header => header === 'x-goog-api-client',
  credentialHeaders: credential => ({ 'x-goog-api-key': credential }),
  // Google reads JSON names in both spellings (proto3 JSON mapping).
  references: new Set(['fileUri', 'file_uri']),
  topLevelReferences: new Set(['cachedContent', 'cached_content']),
  opaque: new Set([
    'parameters',
    'parametersJsonSchema',
    'parameters_json_schema',
    'responseSchema',
    'response_schema',
    'responseJsonSchema',
    'response_json_schema',
    'args',
    'response',
  ]),
}
