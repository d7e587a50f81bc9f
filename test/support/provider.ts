import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A request as it arrived at the provider. */
export interface Received {
  readonly method: string
  /** Path and query as sent. */
  readonly path: string
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** The connection; a test may write anything to it. */
  readonly socket: Socket
  /** Resolves when this answer can no longer be written to: sent whole, or its connection is gone. */
  readonly closed: Promise<void>
}

/** Answers a request that has arrived whole, as it likes and when it likes. */
export type Answer = (request: Received, res: ServerResponse) => void | Promise<void>

/** A server in the place of a model provider. */
export interface Provider extends AsyncDisposable {
  readonly url: string
  /** Everything it was asked, in order. */
  readonly requests: Received[]
  /** The only request since the last call of this. Throws if there were none or several. */
  one(): Received
  answer: Answer
}

/** Starts a scripted provider on loopback. Disposing cuts its connections. */
export async function startProvider(answer: Answer = () => {}): Promise<Provider> {
  const requests: Received[] = []
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', chunk => chunks.push(chunk))
    req.on('end', () => {
      const request: Received = {
        method: req.method ?? '',
        path: req.url ?? '',
        rawHeaders: req.rawHeaders,
        headers: req.headers,
        body: Buffer.concat(chunks),
        socket: req.socket,
        closed: new Promise(resolve => res.on('close', () => resolve())),
      }
      requests.push(request)
      Promise.try(() => provider.answer(request, res)).catch(error => res.destroy(error))
    })
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const provider: Provider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    one() {
      const [request, ...more] = requests.splice(0)
      if (request === undefined || more.length > 0) throw new Error(`the provider was asked ${more.length + 1} times`)
      return request
    },
    answer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return provider
}

/** The operator's credential at each provider of `configFor`. */
export const OPERATOR_KEY = 'operator-key-of-the-provider'

/**
 * A configuration with the provider in all three formats: models `gpt`, `claude` and `gem`, which the provider knows as
 * `gpt-real`, `claude-real` and `gem-real`; any model that begins with `gpt-`, `claude-` or `gemini-` keeps its name.
 */
export function configFor({ url }: { readonly url: string }, members = ''): { yaml: string; env: { KEY: string } } {
  const provider = (format: string) =>
    `{ format: ${format}, baseUrl: '${url}', credential: env:KEY${members && `, ${members}`} }`
  const yaml = `
providers:
  openai: ${provider('openai')}
  anthropic: ${provider('anthropic')}
  gemini: ${provider('gemini')}
models:
  gpt: { provider: openai, model: gpt-real }
  claude: { provider: anthropic, model: claude-real }
  gem: { provider: gemini, model: gem-real }
  gpt-*: { provider: openai }
  claude-*: { provider: anthropic }
  gemini-*: { provider: gemini }
`
  return { yaml, env: { KEY: OPERATOR_KEY } }
}

/** Writes one server-sent event. */
export function writeEvent(res: ServerResponse, data: object | string, event?: string): void {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  res.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`)
}

export function sendJson(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string | string[]> = {},
): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers })
  res.end(JSON.stringify(body))
}
