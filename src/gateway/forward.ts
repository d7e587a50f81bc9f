import type { Exchange, ProviderRequest, ReplyHeaders, ReplySink } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import type { Grant } from '#policy/authorize.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import { formats } from '#providers/formats.ts'
import { requestHeaders } from '#providers/wire-format.ts'
import type { Call } from './call.ts'
import { FirstAnswer } from './first-answer.ts'
import type { Input } from './read-input.ts'
import type { OperationRoute } from './routes.ts'

/** Sends the call to its target; resolves when the reply's head is here. Rejects with `upstream.*` or `request.caller_hung_up`. */
export function forward(call: Call, route: OperationRoute, grant: Grant<ModelTarget>, input: Input): Promise<Reply> {
  const { target } = grant
  call.target = target
  return new Promise((resolve, reject) => {
    if (call.gone) return reject(new Problem('request.caller_hung_up'))
    const reply = new Reply(head => {
      call.headAt = performance.now()
      call.upstreamStatus = head.status
      resolve(head)
    }, reject)
    const send = (credential: Secret | null, sink: ReplySink) => {
      reply.exchange = target.provider.send(toRequest(call, route, target, input, credential), sink)
    }
    const { credential, previousCredential: previous = null } = target.provider
    call.sentAt = performance.now()
    if (previous === null || previous.until <= call.at) send(credential, reply)
    else {
      const again = () => {
        call.usedPreviousCredential = true
        send(previous.secret, reply)
      }
      send(credential, new FirstAnswer(reply, again))
    }
    call.reply = reply
  })
}

function toRequest(
  call: Call,
  route: OperationRoute,
  target: ModelTarget,
  input: Input,
  credential: Secret | null,
): ProviderRequest {
  const { provider, providerModel } = target
  const format = formats[route.format]
  const headers = requestHeaders(format, call.req.headers, credential?.reveal() ?? null)
  // The developer's switch for delays and failures; a real provider never sees it.
  const play = call.req.headers['x-ostiary-sandbox']
  if (target.sandbox && play !== undefined) headers['x-ostiary-sandbox'] = play as string
  const path = route.operation.upstreamPath.replace('{model}', () => encodeURIComponent(providerModel))
  return {
    method: 'POST',
    path: provider.basePath + path + (streamsAsEvents(route) ? '?alt=sse' : ''),
    headers,
    body: renameModel(input, providerModel),
  }
}

/** Gemini streams an array unless asked for events; of the caller's query nothing else is passed on. */
function streamsAsEvents(route: OperationRoute): boolean {
  return route.query !== '' && new URLSearchParams(route.query).get('alt') === 'sse'
}

/** The caller's bytes, with the value of `model` replaced where the provider knows it by another name: nothing is serialised again. */
function renameModel(input: Input, providerModel: string): Buffer {
  const { body, modelRange } = input
  if (modelRange === null || input.model === providerModel) return body
  const name = Buffer.from(JSON.stringify(providerModel))
  return Buffer.concat([body.subarray(0, modelRange.start), name, body.subarray(modelRange.end)])
}

/** What a reply keeps until somebody reads it; then the provider is stopped. */
const MAX_EARLY_BYTES = 64 * 1024

/** A reply under way. */
export class Reply implements ReplySink {
  status = 0
  headers: ReplyHeaders = {}
  exchange: Exchange | null = null
  readonly #resolve: (reply: Reply) => void
  readonly #reject: (error: Error) => void
  #reader: Omit<ReplySink, 'onHead'> | null = null
  #early: Buffer | null = null
  #ended = false
  #error: Error | null = null

  constructor(resolve: (reply: Reply) => void, reject: (error: Error) => void) {
    this.#resolve = resolve
    this.#reject = reject
  }

  onHead(status: number, headers: ReplyHeaders): void {
    this.status = status
    this.headers = headers
    this.#resolve(this)
  }

  onData(chunk: Buffer): boolean {
    if (this.#reader !== null) return this.#reader.onData(chunk)
    this.#early = this.#early === null ? chunk : Buffer.concat([this.#early, chunk])
    // A short reply is whole before anybody can read it: to stop the provider for it would cost more than it saves.
    return this.#early.length < MAX_EARLY_BYTES
  }

  onEnd(): void {
    this.#ended = true
    this.#reader?.onEnd()
  }

  onError(error: Error): void {
    if (this.status === 0) this.#reject(error)
    this.#error = error
    this.#reader?.onError(error)
  }

  /** The caller is gone: nobody wants the rest. */
  hangUp(): void {
    this.exchange?.abort()
    this.#reject(new Problem('request.caller_hung_up'))
  }

  /** Hands over what is here already, then whatever comes. */
  readBy(reader: Omit<ReplySink, 'onHead'>): void {
    this.#reader = reader
    if (this.#early !== null && reader.onData(this.#early) && !this.#ended) this.exchange?.resume()
    this.#early = null
    if (this.#error !== null) reader.onError(this.#error)
    else if (this.#ended) reader.onEnd()
  }

  /** The whole body, if it is here already; null = more may come. */
  whole(): Buffer | null {
    return this.#ended && this.#error === null ? (this.#early ?? Buffer.alloc(0)) : null
  }
}
