import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { projectId } from '#admin/project-view.ts'
import type { Routing } from '#admin/routing.ts'
import { scopesSchema, tokenView, viewToken } from '#admin/token-view.ts'
import type { Clock } from '#core/clock.ts'
import type { OperatorTokens } from '#keys/operator-tokens.ts'

const schema = {
  summary: 'Make an operator token',
  description:
    'It has at most the scopes, projects and lifetime of the token that makes it. The first one with `tokens:write` ends the bootstrap token.',
  body: Type.Object(
    {
      // No control characters: they would write to an operator's terminal, and PostgreSQL keeps no NUL.
      name: Type.String({
        minLength: 1,
        maxLength: 128,
        pattern: '^(?=.*\\S)[^\\x00-\\x1f\\x7f-\\x9f]*$',
        description: 'Who or what uses it.',
        examples: ['Ada’s laptop'],
      }),
      scopes: scopesSchema,
      projects: Type.Optional(
        Type.Union(
          [
            Type.Array(projectId, {
              minItems: 1,
              maxItems: 100,
              uniqueItems: true,
            }),
            Type.Null(),
          ],
          { description: 'Ids of the only projects that it reaches; null or absent = all.', examples: [null] },
        ),
      ),
      expires_in: Type.Optional(
        Type.Union([Type.Integer({ minimum: 1, maximum: 3_153_600_000 }), Type.Null()], {
          description: 'Lifetime in seconds; null = none, where the configuration allows it; absent = 90 days or less.',
          examples: [2_592_000],
        }),
      ),
    },
    { additionalProperties: false },
  ),
  response: {
    201: Type.Object({
      token: tokenView,
      secret: Type.String({
        description: 'The token’s whole text. It is shown here and never again.',
        examples: ['so_…'],
      }),
    }),
  },
}

interface Deps {
  readonly tokens: Pick<OperatorTokens, 'create'>
  readonly clock: Clock
}

/** `POST /api/tokens` */
export function tokensCreate(routing: Routing, { tokens, clock }: Deps): void {
  const problems = ['token.exceeds_own_rights', 'token.lifetime_exceeded', 'project.not_found'] as const
  routing.post('/api/tokens', { schema, config: { scope: 'tokens:write', problems } }, async (request, reply) => {
    const { name, scopes, projects = null, expires_in: seconds } = request.body
    const lifetimeMs = typeof seconds === 'number' ? seconds * 1000 : seconds
    const { record, secret } = await tokens.create({ name, scopes, projects, lifetimeMs }, callerOf(request))
    return reply.code(201).send({ token: viewToken(record, clock()), secret: secret.reveal() })
  })
}
