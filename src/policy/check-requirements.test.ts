import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Principal } from '#core/principal.ts'
import type { Problem } from '#core/problems.ts'
import { type Alternative, checkRequirements } from './check-requirements.ts'

const NOW = 1_800_000_000_000

interface Caller {
  readonly kind?: 'api_key' | 'user' | 'service'
  readonly roles?: readonly string[]
  readonly binding?: 'dpop' | 'certificate' | null
  readonly issuer?: string
  readonly acr?: string | null
  /** Seconds since the login; null = it is not known. */
  readonly age?: number | null
}

function caller({ kind = 'user', roles = [], binding = null, issuer = 'company', acr = null, age = null }: Caller) {
  const token = {
    issuer,
    subject: 'alice',
    acr,
    authenticatedAt: age === null ? null : NOW - age * 1000,
  }
  return {
    kind,
    id: kind === 'api_key' ? 'key_1' : `${issuer}:alice`,
    roles,
    binding: binding && { kind: binding, thumbprint: 'x' },
    token: kind === 'api_key' ? null : token,
  } as unknown as Principal
}

function alternative(
  asked: {
    readonly [K in 'kinds' | 'issuers' | 'roles' | 'bindings']?: readonly string[]
  } & { readonly acrValues?: readonly string[]; readonly maxAgeSeconds?: number },
): Alternative {
  const setOf = (values: readonly string[] | undefined) => (values === undefined ? null : new Set(values))
  return {
    kinds: setOf(asked.kinds),
    issuers: setOf(asked.issuers),
    roles: setOf(asked.roles),
    bindings: setOf(asked.bindings),
    acrValues: asked.acrValues ?? [],
    maxAgeSeconds: asked.maxAgeSeconds ?? null,
  } as Alternative
}

const mtlsOrEditor = [alternative({ bindings: ['certificate'] }), alternative({ kinds: ['user'], roles: ['editor'] })]
const strong = [alternative({ acrValues: ['mfa', 'phr'], maxAgeSeconds: 300 })]

const rows: readonly (readonly [what: string, Caller, readonly Alternative[], refusal: object | null])[] = [
  ['a key bound to a certificate', { kind: 'api_key', binding: 'certificate' }, mtlsOrEditor, null],
  ['an editor', { roles: ['viewer', 'editor'] }, mtlsOrEditor, null],
  [
    'an editor that is a program',
    { kind: 'service', roles: ['editor'] },
    mtlsOrEditor,
    { code: 'policy.requirement', status: 403 },
  ],
  ['a viewer', { roles: ['viewer'] }, mtlsOrEditor, { code: 'policy.requirement' }],
  ['a key that is borne', { kind: 'api_key' }, mtlsOrEditor, { code: 'policy.requirement' }],
  ['a key bound to a DPoP key', { kind: 'api_key', binding: 'dpop' }, mtlsOrEditor, { code: 'policy.requirement' }],
  ['a role that only begins alike', { roles: ['editor2'] }, mtlsOrEditor, { code: 'policy.requirement' }],
  ['another issuer', { issuer: 'other' }, [alternative({ issuers: ['company'] })], { code: 'policy.requirement' }],
  [
    'a key, where an issuer is asked for',
    { kind: 'api_key' },
    [alternative({ issuers: ['company'] })],
    { status: 403 },
  ],
  ['a strong login', { acr: 'phr', age: 300 }, strong, null],
  ['a weak login', { acr: 'pwd', age: 1 }, strong, { status: 401, reason: 'authentication_too_weak' }],
  ['a login that says nothing', {}, strong, { status: 401, reason: 'authentication_too_weak' }],
  ['an old login', { acr: 'mfa', age: 301 }, strong, { status: 401, reason: 'authentication_too_old' }],
  ['a strong login of unknown time', { acr: 'mfa' }, strong, { status: 401, reason: 'authentication_too_old' }],
  ['a program, which logs in nowhere', { kind: 'service', acr: 'mfa', age: 1 }, strong, { status: 403 }],
  ['a key, which logs in nowhere', { kind: 'api_key' }, strong, { status: 403 }],
  [
    'a weak login of somebody without the role',
    { acr: 'pwd', age: 1 },
    [alternative({ roles: ['editor'], acrValues: ['mfa'] })],
    { status: 403 },
  ],
  [
    'a weak login of somebody with the role',
    { acr: 'pwd', age: 1, roles: ['editor'] },
    [alternative({ bindings: ['certificate'] }), alternative({ roles: ['editor'], acrValues: ['mfa'] })],
    {
      status: 401,
      code: 'auth.insufficient_authentication',
      challenge:
        'error="insufficient_user_authentication", error_description="A stronger or more recent authentication is required", acr_values="mfa"',
    },
  ],
]

for (const [what, who, alternatives, refusal] of rows) {
  test(`${what} ${refusal === null ? 'will do' : 'will not do'}`, () => {
    const check = () => checkRequirements(caller(who), [alternatives], NOW)
    if (refusal === null) check()
    else assert.throws(check, refusal)
  })
}

test('the refusal says in words what would do', () => {
  assert.throws(() => checkRequirements(caller({ kind: 'api_key' }), [mtlsOrEditor], NOW), {
    detail:
      'The key key_1 is not enough for this operation, which asks for a credential bound to a client certificate; or a token of a person with the role editor.',
  })
})

test('every requirement must be met: that of a service and that of its operation', () => {
  const [ofService, ofOperation] = [[alternative({ roles: ['staff'] })], [alternative({ roles: ['editor'] })]]
  checkRequirements(caller({ roles: ['staff', 'editor'] }), [ofService, ofOperation], NOW)
  for (const role of ['staff', 'editor']) {
    assert.throws(() => checkRequirements(caller({ roles: [role] }), [ofService, ofOperation], NOW), { status: 403 })
  }
})

test('no more alternatives ever refuse who was let through, and no caller passes who fits none', () => {
  const who = fc.record({
    kind: fc.constantFrom<NonNullable<Caller['kind']>>('api_key', 'user', 'service'),
    roles: fc.subarray(['a', 'b']),
    binding: fc.constantFrom<NonNullable<Caller['binding']> | null>('dpop', 'certificate', null),
    issuer: fc.constantFrom('x', 'y'),
    acr: fc.constantFrom(null, 'lo', 'hi'),
    age: fc.constantFrom(null, 10, 1000),
  })
  const asked = fc.record(
    {
      kinds: fc.subarray(['api_key', 'user', 'service'], { minLength: 1 }),
      issuers: fc.subarray(['x', 'y'], { minLength: 1 }),
      roles: fc.subarray(['a', 'b'], { minLength: 1 }),
      bindings: fc.subarray(['dpop', 'certificate'], { minLength: 1 }),
      acrValues: fc.subarray(['lo', 'hi']),
      maxAgeSeconds: fc.constant(100),
    },
    { requiredKeys: [] },
  )
  const naive = (c: Required<Caller>, a: Parameters<typeof alternative>[0]) =>
    (a.kinds?.includes(c.kind) ?? true) &&
    (a.issuers === undefined || (c.kind !== 'api_key' && a.issuers.includes(c.issuer))) &&
    (a.roles === undefined || c.roles.some(role => a.roles?.includes(role))) &&
    (a.bindings === undefined || a.bindings.includes(c.binding ?? '')) &&
    (!a.acrValues?.length || (c.kind === 'user' && a.acrValues.includes(c.acr ?? ''))) &&
    (a.maxAgeSeconds === undefined || (c.kind === 'user' && c.age !== null && c.age <= a.maxAgeSeconds))
  fc.assert(
    fc.property(who, fc.array(asked, { minLength: 1, maxLength: 3 }), (c, alternatives) => {
      const verdict = () => {
        try {
          checkRequirements(caller(c), [alternatives.map(alternative)], NOW)
          return 200
        } catch (error) {
          return (error as Problem).status
        }
      }
      const expected = alternatives.some(one => naive(c, one))
      assert.equal(verdict() === 200, expected)
      // 401 only where a better login alone would do.
      const better = alternatives.some(one => naive({ ...c, acr: one.acrValues?.[0] ?? 'hi', age: 1 }, one))
      if (!expected) assert.equal(verdict(), c.kind === 'user' && better ? 401 : 403)
    }),
    { numRuns: 3000 },
  )
})
