import { type Answer, answer } from './answer.ts'
import { type ChatRequest, promptOf, readChat } from './openai-chat-request.ts'
import { jsonScript, providerId, type Script, streamScript } from './script.ts'
import { splitTokens } from './tokens.ts'

/** `POST /v1/chat/completions`. Throws `InvalidRequest`. */
export function answerChat(body: unknown, chunks: number, now: number): Script {
  const request = readChat(body)
  const said = answer(promptOf(request), chunks)
  const headers = { 'x-request-id': providerId('req_', now) }
  const head = {
    id: providerId('chatcmpl-', now),
    object: request.stream ? 'chat.completion.chunk' : 'chat.completion',
    created: Math.floor(now / 1000),
    model: request.model,
    service_tier: 'default',
    system_fingerprint: 'fp_sandbox',
  }
  if (!request.stream) return jsonScript(200, headers, completion(head, request, said, now))
  const pieces = splitTokens(said.call === null ? said.text : JSON.stringify(said.call.input), chunks)
  return streamScript(headers, completionChunks(head, request, said, pieces, now), pieces.length + 2)
}

function completion(head: object, request: ChatRequest, said: Answer, now: number) {
  const choices = Array.from({ length: request.n ?? 1 }, (_, index) => {
    const message = {
      role: 'assistant',
      content: said.call === null ? said.text : null,
      refusal: null,
      annotations: [],
    }
    const calls =
      said.call === null ? {} : { tool_calls: [openCall(said.call.name, JSON.stringify(said.call.input), now)] }
    return { index, message: { ...message, ...calls }, logprobs: null, finish_reason: finishReason(said) }
  })
  return { ...head, choices, usage: usageOf(request, said) }
}

function* completionChunks(head: object, request: ChatRequest, said: Answer, pieces: readonly string[], now: number) {
  const withUsage = request.stream_options?.include_usage === true
  const event = (choices: readonly unknown[], usage: object | null) =>
    `data: ${JSON.stringify({ ...head, choices, ...(withUsage ? { usage } : {}) })}\n\n`
  const toAll = (deltaOf: () => object, finish: string | null) => {
    let events = ''
    for (let index = 0; index < (request.n ?? 1); index++) {
      events += event([{ index, delta: deltaOf(), logprobs: null, finish_reason: finish }], null)
    }
    return events
  }
  const { call } = said
  if (call === null) yield toAll(() => ({ role: 'assistant', content: '', refusal: null }), null)
  else {
    const tool_calls = () => [{ index: 0, ...openCall(call.name, '', now) }]
    yield toAll(() => ({ role: 'assistant', content: null, refusal: null, tool_calls: tool_calls() }), null)
  }
  for (const piece of pieces) {
    const delta = call === null ? { content: piece } : { tool_calls: [{ index: 0, function: { arguments: piece } }] }
    yield toAll(() => delta, null)
  }
  const usage = withUsage ? event([], usageOf(request, said)) : ''
  yield `${toAll(() => ({}), finishReason(said))}${usage}data: [DONE]\n\n`
}

function openCall(name: string, args: string, now: number) {
  return { id: providerId('call_', now), type: 'function', function: { name, arguments: args } }
}

function finishReason({ finish }: Answer): string {
  return finish === 'tool_call' ? 'tool_calls' : finish
}

function usageOf(request: ChatRequest, said: Answer) {
  const completionTokens = said.outputTokens * (request.n ?? 1)
  return {
    prompt_tokens: said.inputTokens,
    completion_tokens: completionTokens,
    total_tokens: said.inputTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
