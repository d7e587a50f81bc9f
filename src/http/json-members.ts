import { endOfString } from './strict-json.ts'

/** A place in a text, and what is to stand there. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/**
 * The edit that gives a member of an object this value, in the bytes of a body that `parseStrictBody` took: in place of
 * its value, or as the first member. `path` leads from the top object to it; all but the last must be there, and be objects.
 */
export function setMember(body: Buffer, path: readonly string[], text: string): Edit {
  let open = body.indexOf(OPEN_BRACE)
  for (const [depth, name] of path.entries()) {
    const found = findMember(body, open, name)
    if (depth < path.length - 1) {
      if (found === null) throw new TypeError(`the body has no member ${name}`)
      open = found.start
    } else if (found !== null) return { ...found, text }
  }
  const isEmpty = body[skipSpace(body, open + 1)] === CLOSE_BRACE
  const member = `${JSON.stringify(path.at(-1))}:${text}${isEmpty ? '' : ','}`
  return { start: open + 1, end: open + 1, text: member }
}

/** The bytes with all edits made; they must not overlap. Those at one place follow each other as given. */
export function applyEdits(body: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return body
  const parts: Buffer[] = []
  let at = 0
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(body.subarray(at, start), Buffer.from(text))
    at = end
  }
  parts.push(body.subarray(at))
  return Buffer.concat(parts)
}

/** Byte range of the value of a member of the object that opens at `open`; null = there is none of this name. */
function findMember(body: Buffer, open: number, name: string): { start: number; end: number } | null {
  let depth = 0
  let string = -1
  for (let at = open; at < body.length; at++) {
    const byte = body[at]
    if (byte === QUOTE) {
      string = at
      at = endOfString(body, at)
    } else if (byte === COLON && depth === 1 && nameAt(body, string) === name) {
      const start = skipSpace(body, at + 1)
      return { start, end: endOfValue(body, start) }
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return null
  }
  return null
}

function nameAt(body: Buffer, open: number): string {
  return JSON.parse(body.toString('utf8', open, endOfString(body, open) + 1))
}

/** Index after the value that begins at `start`. */
function endOfValue(body: Buffer, start: number): number {
  let depth = 0
  for (let at = start; at < body.length; at++) {
    const byte = body[at]
    if (byte === QUOTE) {
      at = endOfString(body, at)
      if (depth === 0) return at + 1
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (byte === COMMA || isSpace(byte))) return at
  }
  return body.length
}

function skipSpace(body: Buffer, from: number): number {
  let at = from
  while (isSpace(body[at])) at++
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
