import { createHash } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { bodyReader, optional } from './body-reader.ts'
import { providerId, type Script } from './script.ts'
import { countTokens } from './tokens.ts'

const Tokens = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 })
const LIMIT = { minItems: 1, maxItems: 2048 }

const EmbeddingsRequest = Type.Object({
  model: Type.String({ minLength: 1 }),
  input: Type.Union([
    Type.String({ minLength: 1 }),
    Type.Array(Type.String({ minLength: 1 }), LIMIT),
    Tokens,
    Type.Array(Tokens, LIMIT),
  ]),
  dimensions: optional(Type.Integer({ minimum: 1, maximum: 3072 })),
  encoding_format: optional(Type.Union([Type.Literal('float'), Type.Literal('base64')])),
})

type EmbeddingsRequest = Static<typeof EmbeddingsRequest>
type Input = string | number[]

const readEmbeddings = bodyReader(EmbeddingsRequest)

/** `POST /v1/embeddings`. Throws `InvalidRequest`. */
export function answerEmbeddings(body: unknown, now: number): Script {
  const request = readEmbeddings(body)
  const inputs = inputsOf(request.input)
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'x-request-id': providerId('req_', now) },
    parts: embeddingList(request, inputs),
    count: inputs.length,
    streamed: false,
    ending: 'end',
  }
}

/** One embedding a part: 2048 of them are some 60 MB of JSON. */
function* embeddingList(request: EmbeddingsRequest, inputs: readonly Input[]) {
  let tokens = 0
  for (const input of inputs) tokens += typeof input === 'string' ? countTokens(input) : input.length
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  const tail = `],"model":${JSON.stringify(request.model)},"usage":${JSON.stringify(usage)}}`
  for (const [index, input] of inputs.entries()) {
    const vector = unitVector(input, request.dimensions ?? 1536)
    const embedding = request.encoding_format === 'base64' ? toBase64(vector) : Array.from(vector)
    const item = JSON.stringify({ object: 'embedding', index, embedding })
    yield `${index === 0 ? '{"object":"list","data":[' : ','}${item}${index === inputs.length - 1 ? tail : ''}`
  }
}

function inputsOf(input: EmbeddingsRequest['input']): readonly Input[] {
  if (typeof input === 'string') return [input]
  return typeof input[0] === 'number' ? [input as number[]] : (input as readonly Input[])
}

/** A direction that only the input decides: bytes drawn from its hash, scaled to length 1. */
function unitVector(input: Input, dimensions: number): Float32Array {
  const text = typeof input === 'string' ? input : JSON.stringify(input)
  const bytes = createHash('shake128', { outputLength: dimensions * 2 })
    .update(text)
    .digest()
  const vector = new Float32Array(dimensions)
  let squares = 0
  for (let i = 0; i < dimensions; i++) {
    // Half a step off zero, so that no vector is all zero.
    const value = bytes.readInt16LE(i * 2) + 0.5
    vector[i] = value
    squares += value * value
  }
  const length = Math.sqrt(squares)
  for (let i = 0; i < dimensions; i++) vector[i] = (vector[i] as number) / length
  return vector
}

function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4)
  return bytes.toString('base64')
}
