import { type Answer, answer } from './answer.ts'
import { promptOf, readMessages } from './anthropic-request.ts'
import { jsonScript, providerId, type Script, streamScript } from './script.ts'
import { splitTokens } from './tokens.ts'

/** `POST /v1/messages`. Throws `InvalidRequest`. */
export function answerMessages(body: unknown, chunks: number, now: number): Script {
  const request = readMessages(body)
  const said = answer(promptOf(request), chunks)
  const headers = { 'request-id': providerId('req_', now) }
  const open = openMessage(request.model, said, now)
  const block = contentBlock(said, now)
  if (!request.stream) {
    const usage = { ...open.usage, output_tokens: said.outputTokens }
    return jsonScript(200, headers, { ...open, content: [block], stop_reason: stopReason(said), usage })
  }
  const pieces = splitTokens(said.call === null ? said.text : JSON.stringify(said.call.input), chunks)
  return streamScript(headers, messageEvents(open, block, said, pieces), pieces.length + 2)
}

/** The message as it stands before any output. */
function openMessage(model: string, said: Answer, now: number) {
  return {
    id: providerId('msg_', now),
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    usage: {
      input_tokens: said.inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      output_tokens: 1,
      service_tier: 'standard',
    },
  }
}

function contentBlock({ call, text }: Answer, now: number) {
  if (call === null) return { type: 'text', text }
  return {
    type: 'tool_use',
    id: providerId('toolu_', now),
    name: call.name,
    input: call.input,
    caller: { type: 'direct' },
  }
}

function stopReason({ finish }: Answer): string {
  switch (finish) {
    case 'stop':
      return 'end_turn'
    case 'length':
      return 'max_tokens'
    case 'tool_call':
      return 'tool_use'
  }
}

function* messageEvents(
  message: ReturnType<typeof openMessage>,
  block: ReturnType<typeof contentBlock>,
  said: Answer,
  pieces: readonly string[],
) {
  const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
  const empty = said.call === null ? { ...block, text: '' } : { ...block, input: {} }
  const started = event('message_start', { message })
  yield started + event('content_block_start', { index: 0, content_block: empty }) + event('ping', {})
  for (const piece of pieces) {
    const delta =
      said.call === null ? { type: 'text_delta', text: piece } : { type: 'input_json_delta', partial_json: piece }
    yield event('content_block_delta', { index: 0, delta })
  }
  const {
    service_tier: _tier,
    cache_creation: _cache,
    ...usage
  } = { ...message.usage, output_tokens: said.outputTokens }
  const delta = { stop_reason: stopReason(said), stop_sequence: null, stop_details: null, container: null }
  yield event('content_block_stop', { index: 0 }) + event('message_delta', { delta, usage }) + event('message_stop', {})
}
