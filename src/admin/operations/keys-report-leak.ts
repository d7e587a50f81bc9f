import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import type { Routing } from '#admin/routing.ts'
import type { LeakReports } from '#keys/leak-reports.ts'

const schema = {
  summary: 'Revoke or flag the keys whose texts were found where they should not be',
  body: Type.Object(
    {
      secrets: Type.Array(Type.String({ maxLength: 256, examples: ['sk_live_…'] }), {
        minItems: 1,
        maxItems: 200,
        description: 'Texts, of which any may be no key of this gateway.',
      }),
      action: Type.Optional(
        Type.Union([Type.Literal('revoke'), Type.Literal('flag')], {
          description: '`flag` = mark the keys, which work on; default as `keys.leakReports.action` says.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      results: Type.Array(
        Type.Object({
          outcome: Type.Union(
            [Type.Literal('revoked'), Type.Literal('flagged'), Type.Literal('ended'), Type.Literal('unknown')],
            { description: 'What became of it.' },
          ),
          key: Type.Union([Type.String(), Type.Null()], {
            description: 'Id of the key; null = it is none.',
            examples: [null],
          }),
        }),
        { description: 'One a text, in order; `ended` = it no longer worked.' },
      ),
    }),
  },
}

/** `POST /api/keys/report-leak` */
export function keysReportLeak(routing: Routing, { leaks }: { leaks: LeakReports }): void {
  routing.post('/api/keys/report-leak', { schema, config: { scope: 'keys:write' } }, async request => {
    const { secrets, action } = request.body
    const results = await leaks.report(secrets, callerOf(request).actor, action)
    return { results: [...results] }
  })
}
