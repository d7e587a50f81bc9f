import { isUtf8 } from 'node:buffer'
import { Problem } from '#core/problems.ts'

export type JsonObject = { [member: string]: unknown }

/** A JSON body, read strictly. */
export interface StrictJson {
  readonly value: JsonObject
  /** Byte range of the value of the top-level member `model`, quotes included; null = none. */
  readonly model: { readonly start: number; readonly end: number } | null
}

const MODEL = Buffer.from('"model"')
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * Parses the body of a call: a JSON object, strictly, in which none of the members that the gateway reads is named in
 * another case either.
 */
export function parseStrictBody(body: Buffer, maxDepth: number): StrictJson {
  const json = parseStrictJson(body, maxDepth)
  refuseOtherSpelling(json.value)
  return json
}

/**
 * Parses a JSON object in UTF-8 (RFC 8259) and refuses what two parsers may read differently: duplicate members at
 * any depth, `__proto__`, nesting beyond `maxDepth`, invalid UTF-8, a byte-order mark.
 *
 * Duplicates are found without a parser of our own: `JSON.parse` keeps the last of two, so a text with more colons
 * outside strings than the parsed value has members named one twice.
 */
export function parseStrictJson(body: Buffer, maxDepth: number): StrictJson {
  if (!isUtf8(body)) throw new Problem('request.not_json', { detail: 'The body is not valid UTF-8.' })
  const scan = scanStructure(body, maxDepth)
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new Problem('request.not_json', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('request.invalid_body', { detail: 'The body must be a JSON object.' })
  }
  if (countMembers(value) !== scan.members) throw new Problem('request.duplicate_member')
  return { value: value as JsonObject, model: scan.model }
}

// What the gateway reads of a body: some servers take another case for the same name, and would read another value.
const READ_HERE = new Set([
  'model',
  'stream',
  'messages',
  'input',
  'contents',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'n',
  'best_of',
  'generationConfig',
  'generation_config',
  'tools',
  'functions',
  'modalities',
  'audio',
  'web_search_options',
  'system',
  'mcp_servers',
  'systemInstruction',
  'system_instruction',
])
const IN_LOWER_CASE = new Set([...READ_HERE].map(name => name.toLowerCase()))

function refuseOtherSpelling(value: object): void {
  for (const name in value) {
    if (READ_HERE.has(name)) continue
    if (IN_LOWER_CASE.has(name.toUpperCase().toLowerCase())) throw new Problem('request.duplicate_member')
  }
}

interface Structure {
  members: number
  model: { start: number; end: number } | null
}

/** One pass over the bytes: depth, number of members, place of the top-level `model`. Trusts nothing but quotes and brackets. */
function scanStructure(body: Buffer, maxDepth: number): Structure {
  const found: Structure = { members: 0, model: null }
  const { length } = body
  let depth = 0
  let lastString = -1
  for (let at = 0; at < length; at++) {
    const byte = body[at] as number
    if (byte === QUOTE) {
      lastString = at
      at = endOfString(body, at)
    } else if (byte === COLON) {
      found.members++
      if (depth === 1 && isModel(body, lastString)) found.model = locateString(body, at + 1)
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > maxDepth) throw new Problem('request.too_deep')
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
    }
  }
  return found
}

/** Bytes of a string that are looked at one by one before the native search, whose call costs as much as these. */
const STRIDE = 64

/**
 * Index of the closing quote of the string that opens at `open`; the end of the body where there is none. Names and
 * texts full of escaped quotes are walked, long runs are searched.
 */
export function endOfString(body: Buffer, open: number): number {
  const { length } = body
  let at = open + 1
  for (;;) {
    const walked = Math.min(at + STRIDE, length)
    while (at < walked) {
      const byte = body[at]
      if (byte === QUOTE) return at
      at += byte === BACKSLASH ? 2 : 1
    }
    if (at >= length) return length
    const quote = body.indexOf(QUOTE, at)
    if (quote === -1) return length
    // An odd number of backslashes before it escapes the quote.
    let run = quote
    while (run > at && body[run - 1] === BACKSLASH) run--
    if ((quote - run) % 2 === 0) return quote
    at = quote + 1
  }
}

/** Whether the string that opens at `open` names the member `model`, however it is escaped. */
function isModel(body: Buffer, open: number): boolean {
  if (open === -1) return false
  const name = body.subarray(open, endOfString(body, open) + 1)
  if (name.length === MODEL.length) return name.equals(MODEL)
  // Five escapes of six characters and two quotes are the longest way to write it.
  if (name.length > 40 || !name.includes(BACKSLASH)) return false
  try {
    return JSON.parse(name.toString('utf8')) === 'model'
  } catch {
    return false
  }
}

function locateString(body: Buffer, from: number): Structure['model'] {
  let start = from
  while (body[start] === 0x20 || body[start] === 0x0a || body[start] === 0x0d || body[start] === 0x09) start++
  return body[start] === QUOTE ? { start, end: endOfString(body, start) + 1 } : null
}

function countMembers(value: object): number {
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) members += countMembers(item)
    return members
  }
  for (const name in value) {
    if (name === '__proto__') throw new Problem('request.forbidden_member')
    members++
    const item = (value as JsonObject)[name]
    if (typeof item === 'object' && item !== null) members += countMembers(item)
  }
  return members
}
