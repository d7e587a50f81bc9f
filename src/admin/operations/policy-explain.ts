import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { environment, keyId } from '#admin/key-schema.ts'
import type { PolicyOperations } from '#admin/policy-operations.ts'
import type { Routing } from '#admin/routing.ts'
import { readTime, time } from '#admin/time-query.ts'
import type { Clock } from '#core/clock.ts'
import type { Keys } from '#keys/keys.ts'
import type { Projects } from '#keys/projects.ts'
import { ceilings } from '#policy/explain.ts'

const name = (description: string, example: string) =>
  Type.String({
    minLength: 1,
    maxLength: 256,
    pattern: '^[^\\x00-\\x20\\x7f-\\x9f]*$',
    description,
    examples: [example],
  })

const answered = (description: string) => Type.Array(Type.String(), { description, examples: [[]] })
const allowed = (description: string) => Type.Boolean({ description, examples: [true] })

const schema = {
  summary: 'Say why a key may do something, or may not; changes nothing',
  description:
    'Asks all that a call is asked: the ceilings of the key, then the policies in effect. Rates, budgets and bindings are not asked.',
  body: Type.Object(
    {
      key: keyId,
      action: name('What it asks to do.', 'openai.chat'),
      model: Type.Optional(name('On which model; absent for an action on a service.', 'gpt-5')),
      ip: Type.Optional(
        Type.String({
          minLength: 2,
          maxLength: 45,
          description: 'From where; absent = 127.0.0.1.',
          examples: ['10.0.0.1'],
        }),
      ),
      time: Type.Optional(time('When (RFC 3339); absent = now.')),
      features: Type.Optional(
        Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
          maxItems: 32,
          description: 'What the body asks for beyond text, such as `tools`.',
          examples: [['tools']],
        }),
      ),
      method: Type.Optional(
        Type.String({
          pattern: '^[A-Z]{1,32}$',
          maxLength: 32,
          description: 'Method of a call to a service.',
          examples: ['PUT'],
        }),
      ),
      path: Type.Optional(
        Type.String({
          pattern: '^/[^\\x00-\\x20\\x7f-\\x9f]*$',
          maxLength: 1024,
          description: 'Path of a call to a service, below it.',
          examples: ['/items/1'],
        }),
      ),
    },
    {
      additionalProperties: false,
      examples: [{ key: `key_${'0'.repeat(26)}`, action: 'openai.chat', model: 'gpt-5' }],
    },
  ),
  response: {
    200: Type.Object({
      allowed: allowed('Whether it may.'),
      caller: Type.Object(
        {
          kind: Type.Enum(['api_key', 'user', 'service'], {
            description: 'What kind of caller.',
            examples: ['api_key'],
          }),
          id: Type.String({ description: 'Its id.', examples: ['key_01kd5e7m3v9qwhc4t2x8r6b0zn'] }),
          project: Type.String({ description: 'Id of its project.', examples: ['proj_default'] }),
          environment,
          roles: answered('Its roles.'),
          status: Type.Union([Type.Enum(['active', 'disabled', 'expired', 'revoked']), Type.Null()], {
            description: 'Whether the key is accepted now.',
            examples: ['active'],
          }),
        },
        { description: 'Who was asked about.' },
      ),
      action: Type.String({ description: 'What was asked for.', examples: ['openai.chat'] }),
      resource: Type.Object(
        {
          kind: Type.Enum(['model', 'service'], { description: 'What kind of thing.', examples: ['model'] }),
          id: Type.String({ description: 'Its name.', examples: ['gpt-5'] }),
        },
        { description: 'What it was asked for on.' },
      ),
      context: Type.Object(
        {
          ip: Type.String({ description: 'From where.', examples: ['127.0.0.1'] }),
          time: Type.String({ description: 'When (RFC 3339).', examples: ['2026-01-31T12:00:00.000Z'] }),
          method: Type.Union([Type.String(), Type.Null()], { description: 'Of a service.', examples: ['PUT'] }),
          path: Type.Union([Type.String(), Type.Null()], { description: 'Below a service.', examples: ['/items/1'] }),
          features: answered('What the body asks for beyond text.'),
        },
        { description: 'How it was asked for, with what was left out of the question.' },
      ),
      ceilings: Type.Array(
        Type.Object({
          ceiling: Type.Enum([...ceilings], {
            description: 'Which.',
            examples: ['scopes'],
          }),
          allows: allowed('Whether it allows the call.'),
          problem: Type.String({
            description: 'Code that a call which it stops is answered.',
            examples: ['policy.scope'],
          }),
          detail: Type.Union([Type.String(), Type.Null()], {
            description: 'Why it stops the call, as the caller is told; null = it does not.',
            examples: ['The key key_01kd5e7m3v9qwhc4t2x8r6b0zn lacks the scope chat:create.'],
          }),
          missing: answered('Scopes that the key lacks.'),
        }),
        {
          description: 'What may stop a call before policies are asked, in the order in which it is asked.',
          examples: [[]],
        },
      ),
      decision: Type.Object(
        {
          allowed: allowed('Whether the policies allow it.'),
          policies: answered('Ids of those that determine it; none = no policy permits.'),
          error: Type.Union([Type.String(), Type.Null()], {
            description: 'Why a policy could not be evaluated, so that all is denied; null = all could.',
            examples: [null],
          }),
          shadow: Type.Union(
            [
              Type.Object({
                allowed: allowed('Whether they would allow it.'),
                policies: answered('Ids of the policies that would determine it.'),
              }),
              Type.Null(),
            ],
            { description: 'What would be if policies in shadow were enforced; null = the same.', examples: [null] },
          ),
          roles_that_allow: answered('Roles any one of which would have the policies allow it.'),
        },
        { description: 'What the policies say, also where a ceiling refuses before they are asked.' },
      ),
      policies: Type.Array(
        Type.Object({
          id: Type.String({ description: 'Its id.', examples: ['ostiary.models'] }),
          file: Type.String({ description: 'Its file.', examples: ['callers.cedar'] }),
          shadow: Type.Boolean({ description: 'Asked and recorded, never enforced.', examples: [false] }),
          says: Type.Enum(['permits', 'forbids', 'silent', 'fails'], {
            description: 'What it says by itself: `silent` = it does not apply.',
            examples: ['permits'],
          }),
        }),
        { description: 'Each policy that may apply to the action.', examples: [[]] },
      ),
    }),
  },
}

interface Deps {
  readonly policies: PolicyOperations
  readonly keys: Pick<Keys, 'find'>
  readonly projects: Pick<Projects, 'find'>
  readonly clock: Clock
}

/** `POST /api/policy/explain` */
export function policyExplain(routing: Routing, { policies, keys, projects, clock }: Deps): void {
  const config = {
    scope: 'policies:read',
    problems: ['key.not_found', 'model.not_found', 'model.wrong_format'],
  } as const
  routing.post('/api/policy/explain', { schema, config }, async request => {
    const { key: id, action, model, ip = '127.0.0.1', time: when, features = [], method, path } = request.body
    const at = readTime(when) ?? clock()
    const { actor } = callerOf(request)
    const key = await keys.find(id, actor)
    const { cidrs, deniedCidrs } = await projects.find(key.project, actor)
    const projectAddresses = { allow: cidrs, deny: deniedCidrs }
    return policies.explain({ key, projectAddresses, action, model, ip, at, features, method, path })
  })
}
