import type { ProviderRequest, ReplyHeaders, Send } from '#core/exchange.ts'
import { createSandbox } from './sandbox.ts'
import type { SandboxSettings } from './settings.ts'

export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

export const settings: SandboxSettings = { latencyMs: 0, chunks: 4, chunkDelayMs: 0, failure: 'none' }

export const sandbox = createSandbox(settings, () => NOW)

/** A whole exchange, as the sink saw it. */
export interface Reply {
  status: number
  headers: ReplyHeaders
  chunks: string[]
  text: string
  error: (Error & { code?: string }) | null
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  json(): any
  /** Data of the server-sent events; `[DONE]` is left out. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  events(): any[]
}

/** Sends one request to its end. */
export function ask(path: string, body: unknown, header?: string, send: Send = sandbox): Promise<Reply> {
  return new Promise(resolve => {
    const reply: Reply = {
      status: 0,
      headers: {},
      chunks: [],
      text: '',
      error: null,
      json: () => JSON.parse(reply.text),
      events: () =>
        reply.text
          .split(/\r?\n/)
          .filter(line => line.startsWith('data: ') && line !== 'data: [DONE]')
          .map(line => JSON.parse(line.slice(6))),
    }
    const chunks: Buffer[] = []
    const end = (error: Error | null) => {
      reply.chunks = chunks.map(String)
      reply.text = Buffer.concat(chunks).toString()
      reply.error = error
      resolve(reply)
    }
    send(post(path, body, header), {
      onHead: (status, headers) => Object.assign(reply, { status, headers }),
      onData: chunk => chunks.push(chunk) > 0,
      onEnd: () => end(null),
      onError: end,
    })
  })
}

export function post(path: string, body: unknown, header?: string): ProviderRequest {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (header !== undefined) headers['x-ostiary-sandbox'] = header
  return { method: 'POST', path, headers, body: Buffer.from(JSON.stringify(body)) }
}
