import { Problem } from '#core/problems.ts'
import type { Permitted } from '#policy/permit.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import type { Call } from './call.ts'
import { nonceHeader } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import type { Generation } from './generation.ts'
import { limitHeaders } from './limit-headers.ts'
import { PIECE_MS } from './loop-turns.ts'
import { mayCall } from './may-call.ts'
import type { PipelineOptions } from './pipeline-options.ts'
import type { ModelsRoute } from './routes.ts'

/**
 * Prepares the list of models, or one, that the caller may call, in the caller's format, for `finish` to send. Each model is a
 * question to the policies, so that many are asked in turns. Throws `model.not_found` and `request.caller_hung_up`.
 */
export async function answerModels(
  call: Call,
  route: ModelsRoute,
  caller: Permitted,
  generation: Generation,
  { takeTurn }: Pick<PipelineOptions, 'takeTurn'>,
): Promise<void> {
  const { model, format } = route
  const asked = generation.catalog.named.filter(
    target => (model ?? target.model) === target.model && speaks(target, format),
  )
  const usable: ModelTarget[] = []
  let until = 0
  for (const target of asked) {
    if (performance.now() >= until) {
      await takeTurn()
      if (call.gone) throw new Problem('request.caller_hung_up')
      until = performance.now() + PIECE_MS
    }
    if (mayCall(call, generation, caller, target)) usable.push(target)
  }
  let answer: object
  if (model === null) answer = render[format].list(usable)
  else {
    call.model = model
    const [target] = usable
    if (target === undefined) throw new Problem('model.not_found')
    answer = render[format].one(target)
  }
  const body = JSON.stringify(answer)
  call.bytesOut = Buffer.byteLength(body)
  const headers = ['content-type', 'application/json', 'content-length', String(call.bytesOut), 'x-request-id', call.id]
  if (format === 'anthropic') headers.push('request-id', call.id)
  headers.push(...nonceHeader(call), ...expiryHeader(call), ...limitHeaders(format, call.ticket, call.at))
  call.answer = () => {
    call.answer = null
    call.res.writeHead(200, headers)
    call.res.end(body)
  }
}

function speaks(target: ModelTarget, format: FormatName): boolean {
  return target.provider.format === null || target.provider.format === format
}

// When a model was made is the provider's knowledge; clients only need a value of the right type.
const CREATED = 0
const CREATED_AT = '1970-01-01T00:00:00Z'

const render = {
  openai: {
    one: (target: ModelTarget): object => ({
      id: target.model,
      object: 'model',
      created: CREATED,
      owned_by: target.provider.name,
    }),
    list: (targets: readonly ModelTarget[]): object => ({ object: 'list', data: targets.map(render.openai.one) }),
  },
  anthropic: {
    one: (target: ModelTarget): object => ({
      type: 'model',
      id: target.model,
      display_name: target.model,
      created_at: CREATED_AT,
    }),
    list: (targets: readonly ModelTarget[]): object => ({
      data: targets.map(render.anthropic.one),
      has_more: false,
      first_id: targets[0]?.model ?? null,
      last_id: targets.at(-1)?.model ?? null,
    }),
  },
  gemini: {
    one: (target: ModelTarget): object => ({
      name: `models/${target.model}`,
      displayName: target.model,
      supportedGenerationMethods: ['generateContent', 'streamGenerateContent'],
    }),
    list: (targets: readonly ModelTarget[]): object => ({ models: targets.map(render.gemini.one) }),
  },
}
