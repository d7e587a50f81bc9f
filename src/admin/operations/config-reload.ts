import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'

const schema = {
  summary: 'Apply the configuration as it is in its file now',
  response: { 200: Type.Object({ generation: Type.Integer(), changes: Type.Array(Type.String()) }) },
}

type Reload = (actor: string) => Promise<{ readonly generation: number; readonly changes: readonly string[] }>

/** `POST /api/config/reload` */
export function configReload(routing: Routing, { reload }: { reload: Reload }, actor: string): void {
  routing.post('/api/config/reload', { schema }, async () => {
    const { generation, changes } = await reload(actor)
    return { generation, changes: [...changes] }
  })
}
