import { type Answer, answer } from './answer.ts'
import { promptOf, type ResponsesRequest, readResponses } from './openai-responses-request.ts'
import { jsonScript, providerId, type Script, streamScript } from './script.ts'
import { splitTokens } from './tokens.ts'

/** `POST /v1/responses`. Throws `InvalidRequest`. */
export function answerResponses(body: unknown, chunks: number, now: number): Script {
  const request = readResponses(body)
  const said = answer(promptOf(request), chunks)
  const headers = { 'x-request-id': providerId('req_', now) }
  const open = openResponse(request, now)
  const item = outputItem(said, now)
  if (!request.stream) return jsonScript(200, headers, closeResponse(open, item, said, now))
  const pieces = splitTokens(item.type === 'message' ? said.text : item.arguments, chunks)
  return streamScript(headers, responseEvents(open, item, said, pieces, now), pieces.length + 2)
}

/** The response as it stands before any output; what the request set is repeated. */
function openResponse(request: ResponsesRequest, now: number) {
  return {
    id: providerId('resp_', now),
    object: 'response',
    created_at: Math.floor(now / 1000),
    background: false,
    error: null,
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    metadata: {},
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    truncation: 'disabled',
    user: null,
    ...repeated(request),
    text: { verbosity: 'medium', ...request.text, format: request.text?.format ?? { type: 'text' } },
    service_tier: 'default',
    status: 'in_progress',
    completed_at: null as number | null,
    incomplete_details: null as { reason: string } | null,
    output: [] as unknown[],
    usage: null as object | null,
  }
}

const REPEATED = [
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'model',
  'parallel_tool_calls',
  'reasoning',
  'temperature',
  'tool_choice',
  'tools',
  'top_logprobs',
  'top_p',
  'truncation',
  'user',
]

function repeated(request: ResponsesRequest): object {
  return Object.fromEntries(
    Object.entries(request).filter(([name, value]) => REPEATED.includes(name) && value !== null),
  )
}

function closeResponse(open: ReturnType<typeof openResponse>, item: OutputItem, said: Answer, now: number) {
  const complete = said.finish !== 'length'
  return {
    ...open,
    status: complete ? 'completed' : 'incomplete',
    completed_at: complete ? Math.floor(now / 1000) : null,
    incomplete_details: complete ? null : { reason: 'max_output_tokens' },
    output: [item],
    usage: {
      input_tokens: said.inputTokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: said.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: said.inputTokens + said.outputTokens,
    },
  }
}

type OutputItem = ReturnType<typeof outputItem>

function outputItem({ call, text, finish }: Answer, now: number) {
  const status = finish === 'length' ? 'incomplete' : 'completed'
  if (call === null) {
    return {
      id: providerId('msg_', now),
      type: 'message' as const,
      status,
      role: 'assistant',
      content: [outputText(text)],
    }
  }
  return {
    id: providerId('fc_', now),
    type: 'function_call' as const,
    status,
    call_id: providerId('call_', now),
    name: call.name,
    arguments: JSON.stringify(call.input),
  }
}

function outputText(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] }
}

function* responseEvents(
  open: ReturnType<typeof openResponse>,
  item: OutputItem,
  said: Answer,
  pieces: readonly string[],
  now: number,
) {
  let sequence_number = 0
  const event = (type: string, fields: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence_number++, ...fields })}\n\n`
  const at = { item_id: item.id, output_index: 0 }
  const created = event('response.created', { response: open }) + event('response.in_progress', { response: open })
  const closing = () => {
    const response = closeResponse(open, item, said, now)
    const done = event('response.output_item.done', { output_index: 0, item })
    return done + event(`response.${response.status}`, { response })
  }
  if (item.type === 'function_call') {
    const added = { ...item, status: 'in_progress', arguments: '' }
    yield created + event('response.output_item.added', { output_index: 0, item: added })
    for (const delta of pieces) yield event('response.function_call_arguments.delta', { ...at, delta })
    yield event('response.function_call_arguments.done', { ...at, name: item.name, arguments: item.arguments }) +
      closing()
    return
  }
  const added = event('response.output_item.added', {
    output_index: 0,
    item: { ...item, status: 'in_progress', content: [] },
  })
  const inPart = { ...at, content_index: 0 }
  yield created + added + event('response.content_part.added', { ...inPart, part: outputText('') })
  for (const delta of pieces) yield event('response.output_text.delta', { ...inPart, delta, logprobs: [] })
  const { text } = said
  const textDone = event('response.output_text.done', { ...inPart, text, logprobs: [] })
  yield textDone + event('response.content_part.done', { ...inPart, part: outputText(text) }) + closing()
}
