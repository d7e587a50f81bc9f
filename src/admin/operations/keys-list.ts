import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { environment, keyId, projectRef } from '#admin/key-schema.ts'
import { keyView, viewKey } from '#admin/key-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'
import type { KeyQuery, KeySort } from '#store/ports.ts'

const sorts = ['created_at', 'name', 'expires_at', 'last_used_at'] as const satisfies readonly KeySort[]
const descending = sorts.map(sort => `-${sort}` as const)

const schema = {
  summary: 'List API keys, newest first unless sorted otherwise',
  querystring: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer at most; absent = 100.' }),
      ),
      after: Type.Optional(Type.String({ ...keyId, description: 'Id of the last key of the page before.' })),
      sort: Type.Optional(
        Type.Union(
          [...sorts, ...descending].map(sort => Type.Literal(sort)),
          { description: 'Ascending, or with `-` descending.' },
        ),
      ),
      project: Type.Optional(projectRef),
      environment: Type.Optional(environment),
      status: Type.Optional(
        Type.Union(
          [Type.Literal('active'), Type.Literal('disabled'), Type.Literal('expired'), Type.Literal('revoked')],
          { description: 'Whether they are accepted now.' },
        ),
      ),
      name: Type.Optional(Type.String({ maxLength: 128, description: 'The whole name.', examples: ['checkout'] })),
      metadata: Type.Optional(
        Type.String({
          pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}=',
          maxLength: 321,
          description: '`name=value`.',
          examples: ['team=payments'],
        }),
      ),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      keys: Type.Array(keyView, { description: 'One page.' }),
      next: Type.Union([Type.String(), Type.Null()], {
        description: '`after` of the next page; null = this is the last.',
        examples: [null],
      }),
    }),
  },
}

/** `GET /api/keys` */
export function keysList(routing: Routing, { keys, clock }: { keys: Keys; clock: Clock }): void {
  routing.get(
    '/api/keys',
    { schema, config: { scope: 'keys:read', problems: ['project.not_found'] } },
    async request => {
      const { limit = 100, after, sort = '-created_at', project, environment, status, name, metadata } = request.query
      const query: KeyQuery = {
        // One more than asked for tells whether there is a next page.
        limit: limit + 1,
        after,
        sort: sort.replace('-', '') as KeySort,
        ascending: !sort.startsWith('-'),
        environment,
        name,
        status: status && { is: status, now: clock() },
        metadata: metadata === undefined ? undefined : tagOf(metadata),
      }
      const found = await keys.list({ ...query, ...(project !== undefined && { project }) }, callerOf(request).actor)
      const page = found.slice(0, limit)
      return {
        keys: page.map(key => viewKey(key, clock())),
        next: found.length > limit ? (page.at(-1)?.id ?? null) : null,
      }
    },
  )
}

function tagOf(text: string): { name: string; value: string } {
  const at = text.indexOf('=')
  return { name: text.slice(0, at), value: text.slice(at + 1) }
}
