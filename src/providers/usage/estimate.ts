import type { JsonObject } from '#http/strict-json.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { inlineMedia } from './inline-media.ts'

/**
 * Bytes of text that are taken for one token. Tokenizers of today make one of 4 to 5 bytes of English prose, of about 3
 * bytes of code and of most other scripts (a character of Chinese is 3 bytes of UTF-8), and of fewer in JSON, digits and
 * signs. An estimate replaces a bill that is not known, so it leans to the dear side.
 */
const BYTES_PER_TOKEN = 2.5

/** What providers bill around an answer's text: its beginning and end, channels, separators. */
const TOKENS_PER_ANSWER = 8

/** The same around a call of a tool, most of it unseen: 10 to 60 in recorded exchanges. */
const TOKENS_PER_CALL = 50

/** Instructions that Anthropic adds to a request with tools. */
const TOKENS_OF_TOOLS = 500

/** What an image in the request is taken for, in tokens. Providers bill from 85 to some thousands for one. */
const TOKENS_PER_IMAGE = 1600

/** The same of audio and documents, in bytes of base64 for a token: 32 tokens a second of audio at 32 kbit/s are 170. */
const CODED_BYTES_PER_TOKEN = 100

/** Shorter bodies hold no media worth to be looked for. */
const MIN_MEDIA_BYTES = 2048

/** What a model is expected to write where nothing says how much it may. */
export const USUAL_OUTPUT_TOKENS = 1024

/** What passed of what a model wrote. */
export interface Written {
  /** Of the JSON strings, each escape counted once. */
  readonly textBytes: number
  readonly calls: number
  /** Strings it came in, where each is an event's; else 0. */
  readonly pieces: number
}

/** Tokens of so many bytes of text alone. */
export function tokensOfText(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN)
}

/**
 * Tokens of what the model wrote, at least one for each piece it came in: most providers send a token at a time. Not in
 * it: reasoning that was billed and never sent.
 */
export function estimateOutput({ textBytes, calls, pieces }: Written): number {
  if (textBytes === 0) return 0
  return Math.max(tokensOfText(textBytes), pieces) + TOKENS_PER_ANSWER + calls * TOKENS_PER_CALL
}

/**
 * Tokens of a request: its bytes as text, member names and all, which stand for what providers add to each message;
 * without the base64 of images and files, which have a price of their own.
 */
export function estimateInput(format: FormatName, body: JsonObject, bodyBytes: number): number {
  const tools = format === 'anthropic' && Array.isArray(body.tools) && body.tools.length > 0 ? TOKENS_OF_TOOLS : 0
  if (bodyBytes < MIN_MEDIA_BYTES) return tokensOfText(bodyBytes) + tools
  const { images, imageBytes, audioBytes, documentBytes } = inlineMedia(body)
  const coded = audioBytes + documentBytes
  const text = Math.max(0, bodyBytes - imageBytes - coded)
  return tokensOfText(text) + tools + images * TOKENS_PER_IMAGE + Math.ceil(coded / CODED_BYTES_PER_TOKEN)
}
