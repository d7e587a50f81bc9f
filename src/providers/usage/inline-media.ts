import type { JsonObject } from '#http/strict-json.ts'

/** What a request carries or names beside text. */
export interface Media {
  images: number
  /** Bytes of base64. */
  imageBytes: number
  audioBytes: number
  /** Of documents and video: what these cost does not follow from their bytes. */
  documents: number
  documentBytes: number
  /** The first thing that is named and not sent along: the provider fetches it, however large; null = none. */
  elsewhere: string | null
}

/** Members that hold tool schemas, arguments and results in the caller's own words: text to the model, whatever they are called. */
const OPAQUE = new Set([
  'parameters',
  'parametersJsonSchema',
  'parameters_json_schema',
  'schema',
  'input_schema',
  'metadata',
  'args',
  'response',
  'responseSchema',
  'response_schema',
  'responseJsonSchema',
  'response_json_schema',
])

/** Objects in which a bare `url` is that of something to be fetched; elsewhere it is text, such as a citation's. */
const HOLDERS = new Set(['image_url', 'video_url', 'audio_url', 'document_url', 'file_url', 'image', 'source', 'file'])

const ADDRESS = /(?:_url|_uri|Uri|Url)$/

/** Finds what of a request is not text, in any of the formats. */
export function inlineMedia(body: JsonObject): Media {
  const media: Media = { images: 0, imageBytes: 0, audioBytes: 0, documents: 0, documentBytes: 0, elsewhere: null }
  walk(body, '', media)
  return media
}

function walk(value: object, holder: string, media: Media): void {
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) walk(item, holder, media)
    return
  }
  const object = value as JsonObject
  for (const name in object) {
    const item = object[name]
    if (typeof item === 'object') {
      if (item !== null && !OPAQUE.has(name)) walk(item, name, media)
    } else if (typeof item === 'string') take(object, name, item, holder, media)
  }
}

function take(object: JsonObject, name: string, text: string, holder: string, media: Media): void {
  if (name === 'data') {
    const type = object.media_type ?? object.mimeType ?? object.mime_type
    // OpenAI's audio names its format and no type.
    if (typeof type === 'string') note(type, text.length, media)
    else if (holder === 'input_audio') note('audio/', text.length, media)
  } else if (name === 'file_id') media.elsewhere ??= 'a file by its id'
  else if (name === 'file_data' || ADDRESS.test(name) || (name === 'url' && HOLDERS.has(holder))) {
    if (text.startsWith('data:')) note(text.slice(5, 64), text.length, media)
    // Plain base64: it is a file, of whatever kind.
    else if (name === 'file_data') note('application/', text.length, media)
    else media.elsewhere ??= `content by its address (${name})`
  }
}

function note(type: string, bytes: number, media: Media): void {
  if (/^image\//i.test(type)) {
    media.images++
    media.imageBytes += bytes
  } else if (/^audio\//i.test(type)) media.audioBytes += bytes
  else if (!/^text\//i.test(type)) {
    media.documents++
    media.documentBytes += bytes
  }
}
