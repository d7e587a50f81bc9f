import type { Duplex, Readable } from 'node:stream'

/**
 * One request to a provider or service and its reply, as callbacks: what the hot path hands to an HTTP connection pool
 * or to the sandbox alike. Bytes are passed on as they come, never gathered.
 */
export interface UpstreamRequest<Body = Buffer | Readable | null> {
  readonly method: string
  /** Path and query below the provider's origin. */
  readonly path: string
  /** Complete: nothing of the caller's is added later. */
  readonly headers: Record<string, string>
  readonly body: Body
  /** The protocol that the connection is to speak from then on. */
  readonly upgrade?: 'websocket'
}

/** A request to a provider: its body is here whole. */
export type ProviderRequest = UpstreamRequest<Buffer | null>

export type ReplyHeaders = Record<string, string | string[] | undefined>

/**
 * The receiving side. Order of calls: `onHead` once, `onData` any times, then `onEnd` or `onError` once. `onError` may come
 * first. Who asked for another protocol may hear `onUpgrade` instead, and nothing after it.
 */
export interface ReplySink {
  /** The connection is the sink’s now, and so is its end. */
  onUpgrade?(headers: ReplyHeaders, socket: Duplex): void
  onHead(status: number, headers: ReplyHeaders): void
  /** Returns false to be sent nothing more until `resume()`. */
  onData(chunk: Buffer): boolean
  onEnd(): void
  /** The exchange failed; a `Problem` says how. Nothing follows. */
  onError(error: Error): void
}

/** The sending side's handle of a running exchange. Both calls are harmless after the end. */
export interface Exchange {
  resume(): void
  /** Stops the exchange and its connection. The sink hears nothing more. */
  abort(): void
}

export type Send<Request = ProviderRequest> = (request: Request, sink: ReplySink) => Exchange
