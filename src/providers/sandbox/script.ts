import type { ReplyHeaders } from '#core/exchange.ts'
import { newId } from '#core/ids.ts'

/** A whole reply, ready to be played. */
export interface Script {
  readonly status: number
  readonly headers: ReplyHeaders
  /** Made one by one as they are sent, so that a slow reader holds no more than one. */
  readonly parts: Iterable<string>
  /** How many parts there are. */
  readonly count: number
  /** The parts come with the chunk delay between them. */
  readonly streamed: boolean
  readonly ending: 'end' | 'reset' | 'never'
}

/** A reply of one JSON value. */
export function jsonScript(status: number, headers: ReplyHeaders, value: unknown): Script {
  const text = JSON.stringify(value)
  return {
    status,
    headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...headers },
    parts: [text],
    count: 1,
    streamed: false,
    ending: 'end',
  }
}

/** A reply of server-sent events, several to a part. */
export function streamScript(headers: ReplyHeaders, parts: Iterable<string>, count: number): Script {
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream; charset=utf-8', ...headers },
    parts,
    count,
    streamed: true,
    ending: 'end',
  }
}

/** An identifier in the provider's form, such as `chatcmpl-` + 26 characters. */
export function providerId(prefix: string, now: number): string {
  return prefix + newId('', now).slice(1)
}
