import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'

const schema = {
  operationId: 'openapiShow',
  summary: 'Show this description of the admin API',
  response: {
    200: Type.Record(Type.String(), Type.Any(), {
      description: 'An OpenAPI 3.1 document.',
      examples: [{ openapi: '3.1.1', info: { title: 'Ostiary admin API', version: '0.1.0' }, paths: {} }],
    }),
  },
}

/** `GET /api/openapi.json`; `document` is its JSON. */
export function openapiShow(routing: Routing, { document }: { document: () => string }): void {
  routing.get('/api/openapi.json', { schema, config: { scope: 'any' } }, async (_request, reply) =>
    reply
      .type('application/json')
      .serializer((text: string) => text)
      .send(document() as never),
  )
}
