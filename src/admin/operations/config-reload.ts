import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import type { Routing } from '#admin/routing.ts'

const schema = {
  summary: 'Apply the configuration as it is in its file now',
  response: { 200: Type.Object({ generation: Type.Integer(), changes: Type.Array(Type.String()) }) },
}

type Reload = (actor: string) => Promise<{ readonly generation: number; readonly changes: readonly string[] }>

/** `POST /api/config/reload` */
export function configReload(routing: Routing, { reload }: { reload: Reload }): void {
  routing.post(
    '/api/config/reload',
    { schema, config: { scope: 'config:write', problems: ['config.invalid'] } },
    async request => {
      const { generation, changes } = await reload(callerOf(request).actor.id)
      return { generation, changes: [...changes] }
    },
  )
}
