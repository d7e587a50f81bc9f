import { Problem } from '#core/problems.ts'
import type { Permitted } from '#policy/permit.ts'
import type { ModelTarget } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import type { Call } from './call.ts'
import { nonceHeader } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import type { Generation } from './generation.ts'
import { limitHeaders } from './limit-headers.ts'
import { mayCall } from './may-call.ts'
import type { ModelsRoute } from './routes.ts'

/** Prepares the list of models, or one, that the caller may call, in the caller's format, for `finish` to send. Throws `model.not_found`. */
export function answerModels(call: Call, route: ModelsRoute, caller: Permitted, generation: Generation): void {
  const { named } = generation.catalog
  const usable = named.filter(target => speaks(target, route.format) && mayCall(call, generation, caller, target))
  let answer: object
  if (route.model === null) answer = render[route.format].list(usable)
  else {
    call.model = route.model
    const target = usable.find(({ model }) => model === route.model)
    if (target === undefined) throw new Problem('model.not_found')
    answer = render[route.format].one(target)
  }
  const body = JSON.stringify(answer)
  call.bytesOut = Buffer.byteLength(body)
  const headers = ['content-type', 'application/json', 'content-length', String(call.bytesOut), 'x-request-id', call.id]
  if (route.format === 'anthropic') headers.push('request-id', call.id)
  headers.push(...nonceHeader(call), ...expiryHeader(call), ...limitHeaders(route.format, call.ticket, call.at))
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
