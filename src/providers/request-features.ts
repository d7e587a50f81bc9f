import type { FormatName } from './wire-format.ts'

/** What a call asks for beyond text; `other` = content of a kind that is not known here. */
export type Feature = 'audio' | 'files' | 'images' | 'other' | 'stream' | 'tools' | 'video' | 'web_search'

type Fields = Readonly<Record<string, unknown>>

/**
 * What the body of a call asks for, by its wire format, in the order of the alphabet. Reads all that providers take as content,
 * results of tools too; what they take as data, such as the arguments of a tool, is no content.
 */
export function requestFeatures(format: FormatName, body: Fields, stream: boolean): readonly Feature[] {
  const found = new Set<Feature>(stream ? ['stream'] : [])
  readers[format](body, found)
  return [...found].sort()
}

const readers: Readonly<Record<FormatName, (body: Fields, found: Set<Feature>) => void>> = {
  openai(body, found) {
    readTyped([body.messages, body.input], found)
    readTools([body.tools, body.functions], found, tool => /^web_search/.test(String(tool.type)))
    readModalities(body.modalities, found)
    if (isPresent(body.audio)) found.add('audio')
    if (isPresent(body.web_search_options)) found.add('web_search')
  },
  anthropic(body, found) {
    readTyped([body.messages, body.system], found)
    readTools([body.tools, body.mcp_servers], found, tool => /^web_(?:search|fetch)/.test(String(tool.type)))
  },
  gemini(body, found) {
    readParts([body.contents, body.systemInstruction, body.system_instruction], found)
    readTools([body.tools], found, tool => Object.keys(tool).every(name => /search|url_?context/i.test(name)))
    for (const config of [body.generationConfig, body.generation_config]) {
      if (isFields(config))
        for (const name of ['responseModalities', 'response_modalities']) readModalities(config[name], found)
    }
  },
}

/** By the `type` of a message or of a part of its content; null = text, or what the gateway need not tell apart. */
const types: Readonly<Record<string, Feature | null>> = {
  ...Object.fromEntries(['image', 'image_url', 'input_image'].map(type => [type, 'images' as const])),
  ...Object.fromEntries(['audio', 'input_audio'].map(type => [type, 'audio' as const])),
  ...Object.fromEntries(['file', 'input_file', 'document', 'container_upload'].map(type => [type, 'files' as const])),
  ...Object.fromEntries(['video_url', 'input_video'].map(type => [type, 'video' as const])),
  ...Object.fromEntries(
    [
      ...['message', 'text', 'input_text', 'output_text', 'refusal', 'reasoning', 'summary_text', 'reasoning_text'],
      ...['function_call', 'function_call_output', 'custom_tool_call', 'custom_tool_call_output', 'web_search_call'],
      ...['thinking', 'redacted_thinking', 'tool_use', 'tool_result', 'search_result', 'server_tool_use'],
      ...['web_search_tool_result', 'web_fetch_tool_result'],
    ].map(type => [type, null]),
  ),
}

/** Content as OpenAI and Anthropic write it: lists of what has a `type`, and content of its own. */
function readTyped(content: unknown, found: Set<Feature>): void {
  if (Array.isArray(content)) for (const part of content) readTyped(part, found)
  if (!isFields(content)) return
  noteSpelling(content, found)
  const { type, source } = content
  if (typeof type === 'string') {
    const feature = Object.hasOwn(types, type) ? types[type] : 'other'
    if (feature != null) found.add(feature)
  } else if (type !== undefined) found.add('other')
  // An answer in sound that the caller sends back.
  if (isPresent(content.audio)) found.add('audio')
  readTyped(content.content, found)
  readTyped(content.output, found)
  if (isFields(source)) readTyped(source.content, found)
}

const TEXT_PARTS = new Set([
  ...['text', 'thought', 'thoughtSignature', 'thought_signature', 'functionCall', 'function_call'],
  ...['functionResponse', 'function_response', 'executableCode', 'executable_code'],
  ...['codeExecutionResult', 'code_execution_result', 'videoMetadata', 'video_metadata'],
])
const DATA_PARTS = new Set(['inlineData', 'inline_data', 'fileData', 'file_data'])

/** Content as Google writes it: parts whose member says what they are. */
function readParts(content: unknown, found: Set<Feature>): void {
  if (Array.isArray(content)) for (const one of content) readParts(one, found)
  if (!isFields(content)) return
  noteSpelling(content, found)
  if (content.parts === undefined) return
  for (const part of [content.parts].flat()) {
    if (!isFields(part)) continue
    for (const [name, value] of Object.entries(part)) {
      if (DATA_PARTS.has(name)) found.add(featureOfData(value))
      else if (!TEXT_PARTS.has(name)) found.add('other')
    }
    readParts(part.functionResponse, found)
    readParts(part.function_response, found)
  }
}

function featureOfData(data: unknown): Feature {
  const kind = isFields(data) ? String(data.mimeType ?? data.mime_type).split('/')[0] : ''
  return kind === 'image' ? 'images' : kind === 'audio' ? 'audio' : kind === 'video' ? 'video' : 'files'
}

function readTools(lists: readonly unknown[], found: Set<Feature>, isSearch: (tool: Fields) => boolean): void {
  for (const tool of lists.flat()) {
    if (isPresent(tool)) found.add(isFields(tool) && isSearch(tool) ? 'web_search' : 'tools')
  }
}

function readModalities(modalities: unknown, found: Set<Feature>): void {
  for (const modality of [modalities].flat()) {
    const name = String(modality ?? 'text').toLowerCase()
    if (name === 'audio') found.add('audio')
    else if (name === 'image') found.add('images')
    else if (name !== 'text') found.add('other')
  }
}

const READ_HERE = new Set(['type', 'content', 'output', 'source', 'audio', 'parts'])

/** Some servers take another case for the same name, and would read what is not read here. */
function noteSpelling(content: Fields, found: Set<Feature>): void {
  for (const name in content) if (!READ_HERE.has(name) && READ_HERE.has(name.toLowerCase())) found.add('other')
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
