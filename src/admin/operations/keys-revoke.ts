import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'

const schema = {
  summary: 'Revoke an API key, now and for good',
  params: Type.Object({ id: Type.String({ pattern: '^key_[0-9a-z]{26}$', description: 'Id of the key.' }) }),
  response: { 200: Type.Object({ key: keyView }) },
}

/** `POST /api/keys/:id/revoke` */
export function keysRevoke(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.post(
    '/api/keys/:id/revoke',
    { schema, config: { scope: 'keys:write', problems: ['key.not_found'] } },
    async request => {
      const key = await keys.revoke(request.params.id, callerOf(request).actor)
      return { key: viewKey(key, clock()) }
    },
  )
}
