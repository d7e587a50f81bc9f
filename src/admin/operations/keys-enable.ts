import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { keyId } from '#admin/key-schema.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'Accept a disabled API key again',
  params: Type.Object({ id: keyId }),
  response: { 200: Type.Object({ key: keyView }) },
}

/** `POST /api/keys/:id/enable` */
export function keysEnable(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.post(
    '/api/keys/:id/enable',
    { schema, config: { scope: 'keys:write', problems: ['key.not_found', 'key.ended'] } },
    async request => {
      const key = await keys.enable(request.params.id, callerOf(request).actor)
      return { key: viewKey(key, clock()) }
    },
  )
}
