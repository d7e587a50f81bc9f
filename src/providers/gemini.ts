import type { WireFormat } from './wire-format.ts'

export const gemini: WireFormat = {
  name: 'gemini',
  forwards: header => header === 'x-goog-api-client',
  credentialHeaders: credential => ({ 'x-goog-api-key': credential }),
  // Google reads JSON names in both spellings (proto3 JSON mapping).
  references: new Set(['fileUri', 'file_uri', 'fileSearchStoreNames', 'file_search_store_names']),
  isPublic: (member, value) => member.toLowerCase().replace('_', '') === 'fileuri' && isPublicUri(value),
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

/** A file on the web, and not one of the account's: those are named, or lie at Google's own API hosts or buckets. */
function isPublicUri(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' && !/(?:^|\.)googleapis\.com\.?$/.test(hostname)
}
