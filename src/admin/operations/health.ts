import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'

const healthz = {
  operationId: 'healthShow',
  summary: 'Whether the process lives',
  response: { 200: Type.Object({ status: Type.Literal('ok') }) },
}
const state = Type.Object({
  status: Type.Union([Type.Literal('ready'), Type.Literal('not_ready')]),
  not_ready: Type.Array(Type.String()),
})
const readyz = {
  operationId: 'readinessShow',
  summary: 'Whether calls can be served',
  response: { 200: state, 503: state },
}

/** `GET /healthz` and `GET /readyz`, open to anyone who reaches the listener. */
export function health(routing: Routing, { notReady }: { notReady: () => Promise<string[]> }): void {
  routing.get('/healthz', { schema: healthz }, async () => ({ status: 'ok' as const }))
  routing.get('/readyz', { schema: readyz }, async (_request, reply) => {
    const missing = await notReady()
    const status = missing.length === 0 ? ('ready' as const) : ('not_ready' as const)
    return reply.code(missing.length === 0 ? 200 : 503).send({ status, not_ready: missing })
  })
}
