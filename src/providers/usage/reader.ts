import type { OperationId } from '#core/operations.ts'
import type { MeteredUsage, TokenUsage } from '#core/usage.ts'
import type { JsonObject } from '#http/strict-json.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import { boundOutput } from './bound.ts'
import { fitParts, NO_USAGE } from './counts.ts'
import type { Reported, UsageDialect } from './dialect.ts'
import { estimateInput, estimateOutput, tokensOfText, USUAL_OUTPUT_TOKENS } from './estimate.ts'
import { gemini } from './gemini.ts'
import { JsonScan } from './json-scan.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'
import { openaiResponses } from './openai-responses.ts'
import { SseLines } from './sse-lines.ts'

/** Reads what a reply says of its use, in passing: never changes, holds or copies more than it must. */
export interface UsageReader {
  /** Bytes of the reply in order, as they go to the caller. Never throws. */
  push(chunk: Uint8Array): void
  /**
   * The reply's end (`whole`) or its break. What the provider said (`source: 'provider'`), or the estimate from what
   * passed. Never throws.
   */
  end(whole?: boolean): MeteredUsage
}

/** What was asked of the provider. */
export interface Asked {
  readonly format: FormatName
  readonly operation: OperationId
  readonly inputBytes: number
  /**
   * The body, parsed anew: asked for where an estimate is needed, which is seldom. Whoever keeps what was parsed for as long
   * as a reply lasts has the garbage collector move it about.
   */
  readonly body: () => JsonObject
  /** The most that the model writes in one answer; null = not known. */
  readonly maxOutputTokens: number | null
}

export interface UsageReaderOptions extends Asked {
  /** The reply is a stream of server-sent events that can be read. */
  readonly events: boolean
  /** The reply comes while it is written, as events or as a list: what has not come may not have been written. */
  readonly streams: boolean
  /** The reply is under a content encoding: nothing of it can be read. */
  readonly encoded: boolean
  readonly status: number
  /** Of the whole body; null = its head did not say. */
  readonly contentLength: number | null
}

/**
 * A reader for the reply to one call.
 *
 * What the provider counted is taken only where it is certain to be its last word: the reply ended, or said that it
 * would (`[DONE]`, `response.completed`, `message_stop`, `finishReason`). From anything less, and where it counted
 * nothing, an estimate is made, never below what it had said so far: see `estimate.ts`. Of an answer that does not stream
 * and was cut, all may have been written that the request allows: that is the estimate. A refusal (status 400 and above)
 * without a count cost nothing.
 */
export function createUsageReader(options: UsageReaderOptions): UsageReader {
  return new Reader(options)
}

/**
 * The estimate for a call whose reply never began. A stream had written nothing, or its head would be here; an answer that
 * does not stream may have been written whole.
 */
export function usageWithoutReply(asked: Asked, streams: boolean): MeteredUsage {
  const { format, operation, inputBytes, maxOutputTokens } = asked
  const body = asked.body()
  const output = streams ? 0 : (boundOutput(format, operation, body, maxOutputTokens) ?? USUAL_OUTPUT_TOKENS)
  return { ...NO_USAGE, input: estimateInput(format, body, inputBytes), output, source: 'estimate' }
}

function dialectOf(format: FormatName, operation: OperationId): UsageDialect {
  switch (format) {
    case 'anthropic':
      return anthropicMessages
    case 'gemini':
      return gemini
    case 'openai':
      if (operation === 'openai.responses') return openaiResponses
      return operation === 'openai.embeddings' ? openaiEmbeddings : openaiChat
  }
}

class Reader implements UsageReader {
  readonly #dialect: UsageDialect
  readonly #scan: JsonScan
  readonly #lines: SseLines | null
  readonly #streams: boolean
  readonly #encoded: boolean
  readonly #contentLength: number | null
  readonly #status: number
  readonly #asked: Asked
  #bytes = 0
  /** The provider has said its last word. */
  #final = false

  constructor(options: UsageReaderOptions) {
    const { format, operation, events } = options
    this.#asked = options
    this.#dialect = dialectOf(format, operation)
    this.#scan = new JsonScan(events ? this.#dialect.events : this.#dialect.whole)
    this.#lines = events
      ? new SseLines({
          onData: (bytes, from, to) => this.#scan.push(bytes, from, to),
          onEvent: () => this.#endEvent(),
        })
      : null
    this.#streams = options.streams
    this.#encoded = options.encoded
    this.#contentLength = options.contentLength
    this.#status = options.status
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length
    if (this.#encoded) return
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#lines === null) this.#scan.push(bytes, 0, bytes.length)
    else this.#lines.push(bytes)
  }

  end(whole = false): MeteredUsage {
    const reported = this.#dialect.read(this.#scan.reports.map(parse))
    const isLast = whole || this.#final || (this.#lines === null && this.#scan.isObject)
    if (reported.complete && isLast && reported.input !== null && reported.output !== null) {
      return metered(reported, reported.input, reported.output, 'provider')
    }
    if (this.#status >= 400 && reported.input === null) return { ...NO_USAGE, source: 'provider' }
    const { format, operation, inputBytes, maxOutputTokens } = this.#asked
    const body = this.#asked.body()
    const input = reported.input ?? estimateInput(format, body, inputBytes)
    const maxOutput = boundOutput(format, operation, body, maxOutputTokens)
    const output = Math.max(reported.output ?? 0, this.#estimateOutput(whole, maxOutput))
    const reasoning = Math.max(reported.reasoning, tokensOfText(this.#scan.reasoningBytes))
    return metered({ ...reported, reasoning }, input, output, 'estimate')
  }

  #endEvent(): void {
    const { done, last, reported } = this.#scan
    const ends = this.#dialect.end === 'done' ? done : last && (reported || this.#dialect.end === 'last')
    // A report after the end takes it back.
    this.#final = ends || (this.#final && !reported)
    this.#scan.reset()
  }

  #estimateOutput(whole: boolean, maxOutput: number | null): number {
    if (!whole && !this.#streams) return maxOutput ?? this.#estimateUnseen()
    const { textBytes, pieces, calls } = this.#scan
    const most = maxOutput ?? Number.POSITIVE_INFINITY
    // A compressed byte may be worth a token, not more.
    if (this.#encoded) return Math.min(this.#bytes, most)
    if (this.#lines !== null) return Math.min(estimateOutput({ textBytes, pieces, calls }), most)
    // Not an answer that we know: all of it is taken for text.
    const written = whole && textBytes === 0 ? this.#bytes : textBytes
    return Math.min(estimateOutput({ textBytes: written, pieces: 0, calls }), most)
  }

  /** Of an answer that was cut and that nothing bounds: by its length, as far as that is known, all of it taken for text. */
  #estimateUnseen(): number {
    const bytes = Math.max(this.#bytes, this.#contentLength ?? 0)
    const tokens = this.#encoded ? bytes : estimateOutput({ textBytes: bytes, pieces: 0, calls: this.#scan.calls })
    return this.#contentLength === null ? Math.max(tokens, USUAL_OUTPUT_TOKENS) : tokens
  }
}

function metered(reported: Reported, input: number, output: number, source: MeteredUsage['source']): MeteredUsage {
  const usage: TokenUsage = fitParts({ ...reported, input, output })
  return { ...usage, source }
}

/** What was kept of a report, which may be junk. */
function parse(text: string | null): unknown {
  if (text === null) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
