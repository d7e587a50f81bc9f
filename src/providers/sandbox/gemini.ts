import { type Answer, answer } from './answer.ts'
import { readGenerateContent } from './gemini-request.ts'
import { jsonScript, providerId, type Script, streamScript } from './script.ts'
import { countTokens, splitTokens } from './tokens.ts'

/** One JSON object, server-sent events, or one JSON array that grows. */
type Framing = 'plain' | 'sse' | 'array'

const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' }

/** `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`. Throws `InvalidRequest`. */
export function answerGenerateContent(
  model: string,
  framing: Framing,
  body: unknown,
  chunks: number,
  now: number,
): Script {
  const said = answer(readGenerateContent(body), chunks)
  const head = { modelVersion: model, responseId: providerId('', now) }
  if (framing === 'plain') {
    const usageMetadata = usageOf(said, said.outputTokens)
    return jsonScript(200, JSON_TYPE, { ...candidate(wholePart(said), finishReason(said)), usageMetadata, ...head })
  }
  const pieces = splitTokens(said.text, chunks)
  const count = pieces.length + 1
  const headers = framing === 'sse' ? { 'content-type': 'text/event-stream' } : JSON_TYPE
  return streamScript(headers, framed(responses(head, said, pieces), framing, count), count)
}

function wholePart({ text, call }: Answer): object {
  return call === null ? { text } : { functionCall: { name: call.name, args: call.input } }
}

function candidate(part: object, finish: string | null) {
  const content = { parts: [part], role: 'model' }
  return { candidates: [{ content, ...(finish === null ? {} : { finishReason: finish }), index: 0 }] }
}

function finishReason({ finish }: Answer): string {
  return finish === 'length' ? 'MAX_TOKENS' : 'STOP'
}

function usageOf({ inputTokens }: Answer, outputTokens: number) {
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens,
    totalTokenCount: inputTokens + outputTokens,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: inputTokens }],
  }
}

/** The pieces of the text, then a response that ends them; a function call comes whole, with the end. Usage is of all so far. */
function* responses(head: object, said: Answer, pieces: readonly string[]) {
  let tokens = 0
  for (const piece of pieces) {
    tokens += countTokens(piece)
    yield { ...candidate({ text: piece }, null), usageMetadata: usageOf(said, tokens), ...head }
  }
  const last = wholePart({ ...said, text: '' })
  yield { ...candidate(last, finishReason(said)), usageMetadata: usageOf(said, said.outputTokens), ...head }
}

function* framed(values: Iterable<object>, framing: 'sse' | 'array', count: number) {
  let index = 0
  for (const value of values) {
    index += 1
    const json = JSON.stringify(value)
    if (framing === 'sse') yield `data: ${json}\r\n\r\n`
    else yield `${index === 1 ? '[' : ',\r\n'}${json}${index === count ? ']' : ''}`
  }
}
