import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { CompactSign, generateKeyPair } from 'jose'
import { compileIssuers } from '#compile-issuers.ts'
import { loadConfig } from '#config/load.ts'
import { Problem } from '#core/problems.ts'
import type { Claims, Issuer } from '#issuers/issuer.ts'
import { freshCache } from '#issuers/issuer-under-test.ts'
import { type TokenFault, tokenFaults } from '#issuers/token-faults.ts'
import { createTokenVerifier } from '#issuers/verify-token.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'

const NOW = Date.UTC(2026, 0, 15, 12)
const guide = readFileSync(resolve(import.meta.dirname, '../docs/guide/identity-providers.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'ostiary-recipes-'))
after(() => rmSync(folder, { recursive: true }))

/** The issuer of the recipe below this heading of the guide, compiled as the gateway does. */
function issuerBelow(heading: string): Issuer {
  const section = guide.split(/^## /m).find(part => part.startsWith(`${heading}\n`))
  const [, yaml] = /^```yaml config\n(.*?)^```$/ms.exec(section ?? '') ?? []
  assert.ok(yaml, `there is no recipe below “${heading}”`)
  return load(yaml)
}

function load(yaml: string): Issuer {
  const file = join(folder, 'ostiary.yaml')
  writeFileSync(file, yaml)
  const issuers = compileIssuers(loadConfig({ env: {}, file }).config)
  assert.equal(issuers.length, 1)
  return issuers[0] as Issuer
}

const pair = await generateKeyPair('RS256')

/** What becomes of a token with these claims: who it is, with what; or the reason of its refusal. */
async function judge(issuer: Issuer, header: object, claims: Claims): Promise<object | string> {
  const verify = createTokenVerifier({
    issuers: [issuer],
    keys: {
      find: ({ algorithm, keyId }) => [{ thumbprint: '', algorithm, keyId, key: pair.publicKey }],
    },
    compileGrants: ({ scopes, models }) => compileCeilings({ scopes, models, operations: null, addresses: [] }),
    cache: freshCache(() => NOW),
    checkRevocation: async identity => identity,
    clock: () => NOW,
  })
  const payload = Buffer.from(JSON.stringify({ iss: issuer.issuer, iat: NOW / 1000, exp: NOW / 1000 + 600, ...claims }))
  const token = await new CompactSign(payload)
    .setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header })
    .sign(pair.privateKey)
  const verdict = await verify(token, '127.0.0.1')
  if (verdict instanceof Problem) return verdict.reason ?? ''
  assert.ok(verdict)
  const { id, kind, project, environment, ceilings, roles } = verdict
  return {
    id,
    kind,
    project,
    environment,
    scopes: [...(ceilings.scopes ?? [])].sort(),
    roles,
    client: verdict.token?.client,
  }
}

interface Recipe {
  readonly heading: string
  readonly header: object
  /** Tokens as the provider makes them, and who the guide says they are. */
  readonly good: readonly (readonly [what: string, claims: Claims, identity: Claims])[]
  /** Changes of the first good one that must not pass. */
  readonly bad: readonly (readonly [what: string, claims: Claims, reason: TokenFault, header?: object])[]
}

const recipes: readonly Recipe[] = [
  {
    heading: 'What a token may do',
    header: { typ: 'at+jwt' },
    good: [
      [
        'a researcher',
        {
          sub: 'ada',
          aud: 'https://ai.example.com',
          client_id: 'web-app',
          scope: 'mail ai',
          employee: true,
          department: 'research',
        },
        {
          id: 'company:ada',
          environment: 'test',
          project: 'proj_research',
          scopes: ['chat:create', 'models:read'],
          roles: ['developer'],
          client: 'web-app',
        },
      ],
      [
        'a guest of another department, on trial',
        { sub: 'bob', aud: 'https://ai.example.com', client_id: 'web-app', employee: true, department: ['trial'] },
        { id: 'company:bob', project: 'proj_trial', environment: 'test', client: 'web-app' },
      ],
    ],
    bad: [
      ['of no project', { department: 'sales' }, 'token_project'],
      ['of nobody employed', { employee: false }, 'token_required_claim'],
      ['of another client', { client_id: 'phone-app' }, 'token_client'],
    ],
  },
  {
    heading: 'Logins that are strong and recent enough',
    header: { typ: 'at+jwt' },
    good: [
      [
        'a person',
        { sub: 'ada', aud: 'https://ai.example.com', client_id: 'web-app', acr: 'phr' },
        { id: 'company:ada', scopes: ['chat:create'], client: 'web-app' },
      ],
    ],
    bad: [['for another service', { aud: 'https://mail.example.com' }, 'token_audience']],
  },
  {
    heading: 'Models that take the caller’s own token',
    header: { typ: 'at+jwt' },
    good: [
      [
        'a person',
        { sub: 'ada', aud: 'https://ai.example.com', client_id: 'web-app', acr: 'phr' },
        { id: 'company:ada', scopes: ['chat:create'], client: 'web-app' },
      ],
    ],
    bad: [['for another service', { aud: 'https://mail.example.com' }, 'token_audience']],
  },
  {
    heading: 'Any provider that keeps to RFC 9068',
    header: { typ: 'at+jwt' },
    good: [
      [
        'of a person',
        {
          sub: '5ba552d67',
          aud: 'https://ai.example.com',
          client_id: 's6BhdRkqt3',
          scope: 'openid ai',
          jti: 'dbe39bf3a3ba4238a513f51d6e1691c4',
        },
        { id: 'company:5ba552d67', scopes: ['chat:create', 'models:read'], client: 's6BhdRkqt3' },
      ],
      [
        'of a program',
        { sub: 's6BhdRkqt3', aud: 'https://ai.example.com', client_id: 's6BhdRkqt3', scope: 'mail' },
        { id: 'company/s6BhdRkqt3', kind: 'service', client: 's6BhdRkqt3' },
      ],
    ],
    bad: [
      ['an ID token', { nonce: 'n-0S6_WzA2Mj' }, 'token_type', { typ: 'JWT' }],
      ['of no type', {}, 'token_type', {}],
      ['for another API', { aud: 'https://mail.example.com' }, 'token_audience'],
    ],
  },
  {
    heading: 'Auth0',
    header: { typ: 'JWT' },
    good: [
      [
        'of a person, in the Auth0 profile',
        {
          sub: 'auth0|6553da60a54af58e29493993',
          aud: ['https://ai.example.com', 'https://company.eu.auth0.com/userinfo'],
          azp: 'K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja',
          scope: 'openid profile',
          permissions: ['ai:chat'],
          'https://example.com/roles': ['ai-admin', 'staff'],
        },
        {
          id: 'auth0:auth0|6553da60a54af58e29493993',
          scopes: ['chat:create', 'messages:create'],
          roles: ['admin'],
          client: 'K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja',
        },
      ],
      [
        'of a program',
        {
          sub: 'awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients',
          aud: 'https://ai.example.com',
          azp: 'awZfdIir8YFdGZWkvCejDoUb7SjTDicx',
          gty: 'client-credentials',
        },
        {
          id: 'auth0/awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients',
          kind: 'service',
          client: 'awZfdIir8YFdGZWkvCejDoUb7SjTDicx',
        },
      ],
    ],
    bad: [
      [
        'an ID token',
        { aud: 'https://ai.example.com', scope: undefined, permissions: undefined, nonce: 'x' },
        'token_id_token',
      ],
      ['an ID token without nonce', { scope: undefined, permissions: undefined }, 'token_not_access'],
      ['for userinfo only', { aud: 'https://company.eu.auth0.com/userinfo' }, 'token_audience'],
      ['of the issuer without its slash', { iss: 'https://company.eu.auth0.com' }, 'token_issuer'],
    ],
  },
  {
    heading: 'Okta',
    header: {},
    good: [
      [
        'of a person',
        {
          ver: 1,
          jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
          sub: 'ada@example.com',
          uid: '00uid4BxXw6I6TV4m0g3',
          cid: '0oabucvyc38HLL1ef0h7',
          aud: 'api://ai',
          scp: ['openid', 'ai.chat'],
          groups: ['Everyone', 'AI Developers'],
        },
        {
          id: 'okta:00uid4BxXw6I6TV4m0g3',
          scopes: ['chat:create'],
          roles: ['developer'],
          client: '0oabucvyc38HLL1ef0h7',
        },
      ],
      [
        'of a program',
        { ver: 1, sub: '0oabucvyc38HLL1ef0h7', cid: '0oabucvyc38HLL1ef0h7', aud: 'api://ai', scp: ['ai.chat'] },
        { id: 'okta/0oabucvyc38HLL1ef0h7', kind: 'service', scopes: ['chat:create'], client: '0oabucvyc38HLL1ef0h7' },
      ],
    ],
    bad: [
      ['an ID token', { cid: undefined, scp: undefined, at_hash: 'x', amr: ['pwd'] }, 'token_id_token'],
      ['an ID token of the simplest kind', { cid: undefined, scp: undefined }, 'token_not_access'],
      ['a person known by log-in only', { uid: undefined }, 'token_subject'],
      ['of the org server', {}, 'token_type', { typ: 'application/okta-internal-at+jwt' }],
    ],
  },
  {
    heading: 'Amazon Cognito',
    header: {},
    good: [
      [
        'of a person',
        {
          sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
          'cognito:groups': ['staff', 'admins'],
          version: 2,
          client_id: '6f9c1d3e4b5a79880abcdef123',
          origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
          token_use: 'access',
          scope: 'openid ai.example.com/chat',
          username: 'ada',
        },
        {
          id: 'cognito:aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
          scopes: ['chat:create'],
          roles: ['admin'],
          client: '6f9c1d3e4b5a79880abcdef123',
        },
      ],
      [
        'of a program',
        { sub: '6f9c1d3e4b5a79880abcdef123', client_id: '6f9c1d3e4b5a79880abcdef123', token_use: 'access', version: 2 },
        { id: 'cognito/6f9c1d3e4b5a79880abcdef123', kind: 'service', client: '6f9c1d3e4b5a79880abcdef123' },
      ],
    ],
    bad: [
      ['of another app client', { client_id: 'stranger' }, 'token_client'],
      ['of no client', { client_id: undefined }, 'token_client'],
      ['an ID token', { token_use: 'id', aud: '6f9c1d3e4b5a79880abcdef123' }, 'token_id_token'],
      ['of no use', { token_use: undefined }, 'token_not_access'],
      ['of a use that is not known', { token_use: 'refresh' }, 'token_not_access'],
      ['for another resource', { aud: 'https://mail.example.com' }, 'token_audience'],
    ],
  },
  {
    heading: 'Microsoft Entra ID',
    header: { typ: 'JWT' },
    good: [
      [
        'of a person',
        {
          aud: '3f0d9a52-0f0c-4c39-8f5e-6d1d1f3b2a10',
          azp: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
          azpacr: '0',
          name: 'Ada',
          oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
          preferred_username: 'ada@example.com',
          scp: 'ai.chat profile',
          sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
          tid: '72f988bf-86f1-41af-91ab-2d7cd011db47',
          ver: '2.0',
        },
        {
          id: 'entra:690222be-ff1a-4d56-abd1-7e4f7d38e474',
          scopes: ['chat:create'],
          client: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
        },
      ],
      [
        'of a program',
        {
          aud: '3f0d9a52-0f0c-4c39-8f5e-6d1d1f3b2a10',
          azp: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
          azpacr: '1',
          idtyp: 'app',
          oid: '4f7d38e4-ff1a-4d56-abd1-690222be7e47',
          roles: ['AI.Batch'],
          sub: '4f7d38e4-ff1a-4d56-abd1-690222be7e47',
          tid: '72f988bf-86f1-41af-91ab-2d7cd011db47',
          ver: '2.0',
        },
        {
          id: 'entra/4f7d38e4-ff1a-4d56-abd1-690222be7e47',
          kind: 'service',
          scopes: ['chat:create', 'embeddings:create'],
          client: '6e74172b-be56-4843-9ff4-e66a39bb12e3',
        },
      ],
    ],
    bad: [
      ['of another tenant', { tid: '00000000-86f1-41af-91ab-2d7cd011db47' }, 'token_tenant'],
      ['of no tenant', { tid: undefined }, 'token_tenant'],
      ['of the other version', { ver: '1.0', azp: undefined, appid: 'x' }, 'token_version'],
      ['an ID token', { azp: undefined, azpacr: undefined, scp: undefined, nonce: 'x' }, 'token_id_token'],
      ['an ID token without nonce', { azp: undefined, azpacr: undefined, scp: undefined }, 'token_not_access'],
      ['for another application', { aud: '00000003-0000-0000-c000-000000000000' }, 'token_audience'],
      ['of nobody in the directory', { oid: undefined }, 'token_subject'],
      ['of the issuer of all tenants', { iss: 'https://login.microsoftonline.com/common/v2.0' }, 'token_issuer'],
    ],
  },
  {
    heading: 'Google',
    header: { typ: 'JWT' },
    good: [
      [
        'of a person',
        {
          azp: '1234567890-abc.apps.googleusercontent.com',
          aud: '1234567890-abc.apps.googleusercontent.com',
          sub: '110169484474386276334',
          hd: 'example.com',
          email: 'ada@example.com',
          email_verified: true,
          at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q',
        },
        {
          id: 'google:110169484474386276334',
          scopes: ['chat:create'],
          client: '1234567890-abc.apps.googleusercontent.com',
        },
      ],
      [
        'of a service account',
        {
          azp: '103547991597142817347',
          aud: 'https://ai.example.com',
          sub: '103547991597142817347',
          email: 'batch@company.iam.gserviceaccount.com',
          email_verified: true,
        },
        {
          id: 'google/103547991597142817347',
          kind: 'service',
          scopes: ['embeddings:create'],
          client: '103547991597142817347',
        },
      ],
      [
        'of a stranger, who gets nothing by an address',
        { azp: '9', aud: 'https://ai.example.com', sub: '9', email: 'ada@example.com', email_verified: true },
        { id: 'google/9', kind: 'service', client: '9' },
      ],
    ],
    bad: [
      ['for another application', { aud: '999-xyz.apps.googleusercontent.com' }, 'token_audience'],
      ['of the issuer without https', { iss: 'accounts.google.com' }, 'token_issuer'],
      ['of nobody but an address', { sub: undefined }, 'token_subject'],
    ],
  },
  {
    heading: 'Keycloak',
    header: { typ: 'JWT' },
    good: [
      [
        'of a person',
        {
          jti: 'f73a4a37-9550-4f88-97ef-3b45abee06f1',
          aud: ['ostiary', 'account'],
          sub: '7ddaf89f-69eb-4ecf-a9ca-acba11121986',
          typ: 'Bearer',
          azp: 'web-app',
          sid: '5a9b1c2d',
          acr: '1',
          realm_access: { roles: ['offline_access', 'ai-user'] },
          resource_access: { ostiary: { roles: ['operator'] } },
          scope: 'openid email',
          preferred_username: 'ada',
        },
        {
          id: 'keycloak:7ddaf89f-69eb-4ecf-a9ca-acba11121986',
          scopes: ['chat:create'],
          roles: ['admin'],
          client: 'web-app',
        },
      ],
      [
        'of a service account',
        {
          aud: 'ostiary',
          sub: '0d2cc7ac-1f5e-4a40-8f3b-0a4f7cf3a111',
          typ: 'Bearer',
          azp: 'batch',
          client_id: 'batch',
          preferred_username: 'service-account-batch',
          realm_access: { roles: ['ai-user'] },
        },
        {
          id: 'keycloak/0d2cc7ac-1f5e-4a40-8f3b-0a4f7cf3a111',
          kind: 'service',
          scopes: ['chat:create'],
          client: 'batch',
        },
      ],
      [
        'whose realm makes headers as RFC 9068 says',
        { aud: 'ostiary', sub: 'ada', typ: 'Bearer', azp: 'web-app' },
        { id: 'keycloak:ada', client: 'web-app' },
      ],
    ],
    bad: [
      ['of DPoP, bound to no key', { typ: 'DPoP' }, 'token_confirmation'],
      ['of DPoP, bound to a certificate', { typ: 'DPoP', cnf: { 'x5t#S256': 'A'.repeat(43) } }, 'token_confirmation'],
      ['an ID token', { typ: 'ID' }, 'token_id_token'],
      ['an ID token under the type of access tokens', { typ: 'ID' }, 'token_id_token', { typ: 'at+jwt' }],
      ['a refresh token', { typ: 'Refresh' }, 'token_not_access'],
      ['a token for the log-out of a session', { typ: 'Logout' }, 'token_not_access'],
      ['of no kind', { typ: undefined }, 'token_not_access'],
      ['without the audience mapper', { aud: 'account' }, 'token_audience'],
      ['of another realm', { iss: 'https://id.example.com/realms/master' }, 'token_issuer'],
    ],
  },
  {
    heading: 'GitHub Actions',
    header: { typ: 'JWT', x5t: 'example-thumbprint' },
    good: [
      [
        'of a job on the main branch',
        {
          jti: 'example-id',
          sub: 'repo:octo-org/evals:ref:refs/heads/main',
          aud: 'https://ai.example.com',
          ref: 'refs/heads/main',
          repository: 'octo-org/evals',
          repository_owner: 'octo-org',
          repository_owner_id: '9919',
          repository_id: '74',
          job_workflow_ref: 'octo-org/evals/.github/workflows/run.yml@refs/heads/main',
        },
        { id: 'github/repo:octo-org/evals:ref:refs/heads/main', kind: 'service', scopes: ['chat:create'] },
      ],
      [
        'of a job that deploys',
        {
          sub: 'repo:octo-org/site:environment:production',
          aud: 'https://ai.example.com',
          environment: 'production',
          repository: 'octo-org/site',
          repository_owner: 'octo-org',
          repository_owner_id: '9919',
        },
        { id: 'github/repo:octo-org/site:environment:production', kind: 'service', scopes: ['embeddings:create'] },
      ],
      [
        'of a pull request, which may do nothing',
        {
          sub: 'repo:octo-org/evals:pull_request',
          aud: 'https://ai.example.com',
          ref: 'refs/pull/1/merge',
          repository: 'octo-org/evals',
          repository_owner: 'octo-org',
          repository_owner_id: '9919',
        },
        { id: 'github/repo:octo-org/evals:pull_request', kind: 'service' },
      ],
    ],
    bad: [
      ['of a repository of somebody else', { repository_owner_id: '666' }, 'token_required_claim'],
      ['of the default audience', { aud: 'https://github.com/octo-org' }, 'token_audience'],
      ['of no repository', { repository: undefined }, 'token_not_access'],
    ],
  },
  {
    heading: 'Kubernetes',
    header: {},
    good: [
      [
        'of a pod',
        {
          aud: ['ostiary'],
          jti: 'aed34954-b33a-4142-b1ec-389d6bbb4936',
          'kubernetes.io': {
            namespace: 'evals',
            node: { name: 'my-node', uid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1' },
            pod: { name: 'my-pod', uid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3' },
            serviceaccount: { name: 'batch', uid: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798' },
          },
          nbf: NOW / 1000,
          sub: 'system:serviceaccount:evals:batch',
        },
        {
          id: 'cluster/system:serviceaccount:evals:batch',
          kind: 'service',
          project: 'proj_evals',
          scopes: ['chat:create', 'embeddings:create'],
        },
      ],
    ],
    bad: [
      ['for the API server', { aud: ['https://kubernetes.default.svc'] }, 'token_audience'],
      ['of the old kind', { exp: undefined, aud: undefined }, 'token_no_expiry'],
      ['whose name is not its account’s', { sub: 'system:serviceaccount:kube-system:admin' }, 'token_subject'],
      [
        'of a namespace without a project',
        {
          sub: 'system:serviceaccount:web:batch',
          'kubernetes.io': { namespace: 'web', serviceaccount: { name: 'batch' } },
        },
        'token_project',
      ],
    ],
  },
]

const nothing = { kind: 'user', project: 'proj_default', environment: 'live', scopes: [], roles: [], client: null }

for (const { heading, header, good, bad } of recipes) {
  describe(`the recipe “${heading}”`, () => {
    const issuer = issuerBelow(heading)
    for (const [what, claims, identity] of good) {
      it(`takes a token ${what}`, async () => {
        assert.deepEqual(await judge(issuer, header, claims), { ...nothing, ...identity })
      })
    }
    for (const [what, change, reason, otherHeader = header] of bad) {
      it(`refuses a token ${what}`, async () => {
        assert.equal(await judge(issuer, otherHeader, { ...good[0]?.[1], ...change }), reason)
      })
    }
  })
}

describe('Microsoft Entra ID, version 1.0', () => {
  it('is the issuer of its own that the guide names', async () => {
    const tenant = '72f988bf-86f1-41af-91ab-2d7cd011db47'
    const issuer = load(`
issuers:
  entra: { preset: entra, tenant: ${tenant}, issuer: "https://sts.windows.net/${tenant}/", audience: ["api://ai"] }`)
    const claims = { aud: 'api://ai', appid: 'app-1', appidacr: '1', oid: 'ada', scp: 'x', tid: tenant, ver: '1.0' }
    assert.deepEqual(await judge(issuer, { typ: 'JWT' }, claims), { ...nothing, id: 'entra:ada', client: 'app-1' })
    assert.equal(await judge(issuer, { typ: 'JWT' }, { ...claims, ver: '2.0' }), 'token_version')
  })
})

describe('Amazon Cognito with an audience', () => {
  it('takes only tokens that name it, of clients that are listed', async () => {
    const issuer = load(`
issuers: { a: { preset: cognito, issuer: "https://id.example.com", audience: ["https://ai"], clientIds: [app] } }`)
    const claims = { aud: 'https://ai', sub: 'ada', client_id: 'app', token_use: 'access' }
    assert.deepEqual(await judge(issuer, {}, claims), { ...nothing, id: 'a:ada', client: 'app' })
    assert.equal(await judge(issuer, {}, { ...claims, aud: undefined }), 'token_audience')
    assert.equal(await judge(issuer, {}, { ...claims, client_id: 'other' }), 'token_client')
  })
})

describe('a header without a type', () => {
  it('is allowed by a word that no header can say', async () => {
    const issuer = load(`
issuers: { a: { issuer: "https://id.example.com", audience: [x], types: [application/AT+JWT, untyped] } }`)
    const claims = { aud: 'x', sub: 'ada', client_id: 'app' }
    for (const header of [{}, { typ: 'at+jwt' }]) {
      assert.deepEqual(await judge(issuer, header, claims), { ...nothing, id: 'a:ada', client: 'app' })
    }
    for (const typ of ['untyped', '', 'null', 'JWT']) assert.equal(await judge(issuer, { typ }, claims), 'token_type')
  })
})

describe('the guide', () => {
  it('says what each reason means', () => {
    const rows = [...guide.matchAll(/^\| `(token_\w+)` \| (.*) \|$/gm)].map(([, reason, meaning]) => [reason, meaning])
    assert.deepEqual(Object.fromEntries(rows), tokenFaults)
  })

  it('has a recipe for every preset, and a test for every recipe', () => {
    const presets = [...guide.matchAll(/^ {4}preset: ([a-z0-9-]+)$/gm)].map(([, name]) => name)
    const known = ['auth0', 'okta', 'cognito', 'entra', 'google', 'keycloak', 'github-actions', 'kubernetes']
    assert.deepEqual(presets, known)
    assert.equal(guide.match(/^```yaml config$/gm)?.length, recipes.length)
  })
})
