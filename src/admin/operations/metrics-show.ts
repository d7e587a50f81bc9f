import Type from 'typebox'
import type { Routing } from '#admin/routing.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import { EXPOSITION_TYPE } from '#metrics/exposition.ts'

const schema = {
  operationId: 'metricsShow',
  summary: 'Show what the gateway has measured',
  description: 'In the text format of OpenMetrics 1.0, as Prometheus reads it.',
  response: {
    200: Type.String({
      description: 'Counters, gauges and histograms.',
      'x-content-type': EXPOSITION_TYPE,
      examples: [
        '# TYPE ostiary_workers gauge\n# HELP ostiary_workers Workers that serve.\nostiary_workers 2\n# EOF\n',
      ],
    }),
  },
}

/** `GET /metrics` */
export function metricsShow(routing: Routing, { metrics }: { metrics: () => Promise<string> }): void {
  routing.get('/metrics', { schema, config: { scope: 'metrics:read' } }, async (request, reply) => {
    callerOfWholeGateway(request)
    return reply
      .type(EXPOSITION_TYPE)
      .serializer((text: string) => text)
      .send(await metrics())
  })
}
