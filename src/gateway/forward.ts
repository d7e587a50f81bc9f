import type { ProviderRequest, ReplySink } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { applyEdits } from '#http/json-members.ts'
import type { JsonObject } from '#http/strict-json.ts'
import { askForUsage } from '#providers/ask-for-usage.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import { enforceOutput } from '#providers/enforce-output.ts'
import { formats } from '#providers/formats.ts'
import { requestHeaders } from '#providers/wire-format.ts'
import type { Call } from './call.ts'
import { FirstAnswer } from './first-answer.ts'
import type { Hold } from './limit-call.ts'
import type { Input } from './read-input.ts'
import { Reply } from './reply.ts'
import type { OperationRoute } from './routes.ts'
import { upstreamCredential } from './upstream-credential.ts'

/** In place of what was parsed of a body that has been forwarded. */
const FORWARDED: JsonObject = Object.freeze({})

/**
 * Sends the call to its target; resolves when the reply's head is here. Rejects with `upstream.*`, `request.max_output`,
 * `request.invalid_body` or `request.caller_hung_up`.
 */
export async function forward(call: Call, route: OperationRoute, hold: Hold): Promise<Reply> {
  const { grant, input } = hold
  const { target } = grant
  call.target = target
  const credential = upstreamCredential(call, target)
  const { body, asksForUsage } = rewrite(route, target, input, call.ticket?.reserves === true)
  input.json = FORWARDED
  if (call.gone) throw new Problem('request.caller_hung_up')
  const reply = new Reply(call, route, hold, asksForUsage)
  const send = (credential: Secret | null, sink: ReplySink) => {
    reply.exchange = target.provider.send(toRequest(call, route, target, body, credential), sink)
  }
  const { previousCredential: previous = null } = target.provider
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
  return reply.begun
}

/**
 * The caller's bytes, with the model's name at the provider, the model's maximum and the question for the stream's use
 * put in where they are needed: nothing is serialised again.
 */
function rewrite(
  route: OperationRoute,
  target: ModelTarget,
  input: Input,
  isBudgeted: boolean,
): { body: Buffer; asksForUsage: boolean } {
  const { body, json, modelRange } = input
  const limit = enforceOutput(route.format, route.id, target, json, body, isBudgeted)
  const question = askForUsage(route.id, target.provider, json, body)
  const name =
    modelRange === null || input.model === target.providerModel
      ? null
      : { ...modelRange, text: JSON.stringify(target.providerModel) }
  const edits = [question, limit, name].filter(edit => edit !== null)
  return { body: applyEdits(body, edits), asksForUsage: question !== null }
}

function toRequest(
  call: Call,
  route: OperationRoute,
  target: ModelTarget,
  body: Buffer,
  credential: Secret | null,
): ProviderRequest {
  const { provider, providerModel } = target
  const format = formats[route.format]
  const takesCallerToken = (provider.callerTokenOf ?? null) !== null
  const headers = requestHeaders(format, call.req.headers, takesCallerToken ? null : (credential?.reveal() ?? null))
  // Whatever header the format's own credentials go in.
  if (takesCallerToken && credential !== null) headers.authorization = `Bearer ${credential.reveal()}`
  // The developer's switch for delays and failures; a real provider never sees it.
  const play = call.req.headers['x-ostiary-sandbox']
  if (target.sandbox && play !== undefined) headers['x-ostiary-sandbox'] = play as string
  const path = route.operation.upstreamPath.replace('{model}', () => encodeURIComponent(providerModel))
  return {
    method: 'POST',
    path: provider.basePath + path + (streamsAsEvents(route) ? '?alt=sse' : ''),
    headers,
    body,
  }
}

/** Gemini streams an array unless asked for events; of the caller's query nothing else is passed on. */
function streamsAsEvents(route: OperationRoute): boolean {
  return route.query !== '' && new URLSearchParams(route.query).get('alt') === 'sse'
}
