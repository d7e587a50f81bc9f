import Type from 'typebox'
import { issuerName, revocationKind, revocationView, revokedValue, viewRevocation } from '#admin/revocation-view.ts'
import type { Routing } from '#admin/routing.ts'
import { readTime, time } from '#admin/time-query.ts'
import { callerOfWholeGateway } from '#admin/whole-gateway.ts'
import type { Revocations } from '#issuers/revocation/revocations.ts'

const schema = {
  summary: 'Refuse tokens of an identity provider before they end',
  description: 'Every worker refuses them within five seconds, also where it has verified them before.',
  body: Type.Object(
    {
      issuer: issuerName,
      kind: revocationKind,
      value: revokedValue,
      not_before: Type.Optional(
        time(
          'For `subject`, `client` and `session`: tokens issued at or before this moment are refused, and those that do not say when; absent = now.',
        ),
      ),
      expires_at: Type.Optional(
        Type.Union([time('When it is deleted.'), Type.Null()], {
          description:
            'When no token that it refuses can be good any more: of a `token` its `exp`; null = never; absent = the longest lifetime of tokens of the issuer from now, of a `key` never.',
          examples: [null],
        }),
      ),
      reason: Type.Optional(
        Type.Union(
          [Type.String({ pattern: '^(?=.*\\S)[^\\x00-\\x1f\\x7f-\\x9f]{1,256}$', maxLength: 256 }), Type.Null()],
          {
            description: 'Why, in your words; null or absent = nothing said.',
            examples: ['laptop stolen'],
          },
        ),
      ),
    },
    { additionalProperties: false },
  ),
  response: { 201: Type.Object({ revocation: revocationView }) },
}

/** `POST /api/revocations` */
export function revocationsCreate(routing: Routing, { revocations }: { revocations: Revocations }): void {
  routing.post('/api/revocations', { schema, config: { scope: 'revocations:write' } }, async (request, reply) => {
    const by = callerOfWholeGateway(request)
    const { issuer, kind, value, not_before: notBefore, expires_at: expiresAt, reason = null } = request.body
    const times = { notBefore: readTime(notBefore), expiresAt: expiresAt === null ? null : readTime(expiresAt) }
    const entry = await revocations.create({ issuer, kind, value, reason, ...times }, by)
    return reply.code(201).send({ revocation: viewRevocation(entry) })
  })
}
