import Type, { type Static } from 'typebox'
import { budgetPeriods, budgetUnits, type KeyLimit, rateUnits } from '#core/key-bounds.ts'
import type { Binding } from '#core/principal.ts'
import type { KeyUpdate } from '#keys/keys.ts'

/** No control characters: they would write to an operator's terminal, and PostgreSQL keeps no NUL. */
const PRINTABLE = '[^\\x00-\\x1f\\x7f-\\x9f]*$'

export const keyId = Type.String({ pattern: '^key_[0-9a-z]{26}$', description: 'Id of the key.' })
export const projectRef = Type.String({
  pattern: '^[a-z0-9_.-]{1,64}$',
  maxLength: 64,
  description: 'Id or name of a project.',
  examples: ['proj_default'],
})
export const environment = Type.Union([Type.Literal('live'), Type.Literal('test')], {
  description: 'Which providers it reaches; absent = live.',
})
export const displayName = Type.String({
  minLength: 1,
  maxLength: 128,
  pattern: `^(?=.*\\S)${PRINTABLE}`,
  description: 'Who or what uses it.',
  examples: ['checkout'],
})
export const description = Type.String({ maxLength: 1024, pattern: `^${PRINTABLE}`, examples: ['The shop'] })
export const metadata = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }),
  Type.String({ maxLength: 256, pattern: `^${PRINTABLE}` }),
  {
    additionalProperties: false,
    maxProperties: 16,
    description: 'Names and values of your own.',
    examples: [{ team: 'payments' }],
  },
)
export const lifetime = Type.Union([Type.Integer({ minimum: 1, maximum: 3_153_600_000 }), Type.Null()])

const strict = { additionalProperties: false }
const amount = Type.Number({ exclusiveMinimum: 0, maximum: 1e15, description: 'How many of the unit.', examples: [20] })

export const limit = Type.Union([
  Type.Object(
    {
      unit: Type.Enum([...rateUnits], { description: 'What is counted.', examples: ['requests'] }),
      amount,
      window_seconds: Type.Integer({
        minimum: 1,
        maximum: 31_622_400,
        description: 'In how many seconds.',
        examples: [60],
      }),
    },
    strict,
  ),
  Type.Object({ unit: Type.Literal('concurrency', { description: 'Calls at once.' }), amount }, strict),
])
export const budget = Type.Object(
  {
    unit: Type.Enum([...budgetUnits], { description: 'What is spent.', examples: ['usd'] }),
    amount,
    period: Type.Enum([...budgetPeriods], { description: 'When it begins anew.', examples: ['month'] }),
  },
  strict,
)

const thumbprint = (of: string) =>
  Type.String({
    minLength: 43,
    maxLength: 43,
    description: `SHA-256 thumbprint of ${of}, base64url.`,
    examples: ['0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'],
  })

/** As `cnf` says it in tokens (RFC 9449 §6.1, RFC 8705 §3.1), in our spelling. */
export const binding = Type.Union([
  Type.Object({ dpop_jkt: thumbprint('the public key of their DPoP proofs (RFC 7638)') }, strict),
  Type.Object({ x5t_s256: thumbprint('their TLS certificate in DER') }, strict),
])

const names = (item: string, none = 'no such ceiling') =>
  Type.Optional(
    Type.Union([Type.Array(Type.String({ maxLength: 256 }), { maxItems: 64 }), Type.Null()], {
      description: `${item}; null = ${none}.`,
      examples: [null],
    }),
  )

/** From where the credentials of a key or of a project may be used. */
export const addresses = {
  cidrs: names('Addresses that it may be used from, such as `10.0.0.0/8`', 'from all'),
  denied_cidrs: names('Addresses that it may not be used from, whatever else allows them', 'nothing is denied'),
}

/** The members of a body that say what a key may do. */
export const settings = {
  roles: names('Roles, by which policies let it do more or less, such as `developer`', 'it has none'),
  scopes: names('Scopes, such as `chat:create`'),
  models: names('Names of models, `*` for any characters, as callers use them'),
  operations: names('Ids of routes, such as `openai.chat`'),
  ...addresses,
  limits: Type.Optional(
    Type.Union([Type.Array(limit, { maxItems: 16 }), Type.Null()], {
      description: 'Rates and calls at once; null = none.',
    }),
  ),
  budgets: Type.Optional(
    Type.Union([Type.Array(budget, { maxItems: 16 }), Type.Null()], {
      description: 'What it may spend; null = no bound.',
    }),
  ),
  binding: Type.Optional(
    Type.Union([...binding.anyOf, Type.Null()], {
      description: 'With what callers must prove that the key is theirs; null = who bears it may use it.',
    }),
  ),
  metadata: Type.Optional(metadata),
}

const body = Type.Object({
  ...settings,
  name: Type.Optional(displayName),
  expires_in: Type.Optional(lifetime),
})

/** What a body says of a key, as the room of keys takes it; what it does not say stays absent. */
export function toUpdate({ limits, binding: bound, expires_in: seconds, ...rest }: Static<typeof body>): KeyUpdate {
  return {
    ...(toAddresses(rest) as KeyUpdate),
    ...(limits !== undefined && { limits: limits?.map(toLimit) ?? null }),
    ...(bound !== undefined && { binding: bound && toBinding(bound) }),
    ...(seconds !== undefined && { lifetimeMs: seconds && seconds * 1000 }),
  }
}

/** The same with the addresses as the rooms name them. */
export function toAddresses<T extends { readonly denied_cidrs?: string[] | null }>({
  denied_cidrs: denied,
  ...rest
}: T) {
  return { ...rest, ...(denied !== undefined && { deniedCidrs: denied }) }
}

function toBinding(sent: Static<typeof binding>): Binding {
  return 'dpop_jkt' in sent
    ? { kind: 'dpop', thumbprint: sent.dpop_jkt }
    : { kind: 'certificate', thumbprint: sent.x5t_s256 }
}

function toLimit(sent: Static<typeof limit>): KeyLimit {
  const { unit, amount } = sent
  return sent.unit === 'concurrency'
    ? { unit: 'concurrency', amount }
    : { unit: unit as (typeof rateUnits)[number], amount, windowSeconds: sent.window_seconds }
}
