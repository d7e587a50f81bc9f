import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Issuer } from '#issuers/issuer.ts'
import { makeIssuer } from '#issuers/issuer-under-test.ts'
import type { FetchDocument } from '#issuers/keys/fetch-document.ts'
import type { KeySetStatus } from '#issuers/keys/key-set.ts'
import type { KeySource } from '#issuers/keys/key-source.ts'
import { readKeySet } from '#issuers/keys/read-key-set.ts'
import { checkIssuer } from './check-issuer.ts'
import { KeysNotHad } from './finding.ts'

const NOW = 1_800_000_000_000
const ISSUER = 'https://id.example.com'
const METADATA = `${ISSUER}/.well-known/openid-configuration`
const KEYS = `${ISSUER}/keys`

const ec = (kid?: string) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  ...(kid !== undefined && { kid }),
})
const one = ec('one')
const two = ec('two')

const sound = makeIssuer({
  issuer: ISSUER,
  algorithms: new Set(['ES256']),
  grants: [{ when: new Map(), scopes: ['chat:create'], roles: [], models: null }],
})
const life = { refreshMs: 600_000, maxStaleMs: 86_400_000, refetchMs: 10_000, refetchBurst: 3 }
const place: KeySource = {
  id: 'id',
  name: 'company',
  issuer: ISSUER,
  jwksUrl: null,
  jwksFile: null,
  allowPrivateNetwork: false,
  life,
}

interface Found {
  readonly issuer?: Partial<Issuer>
  readonly source?: Partial<KeySource>
  readonly keys?: readonly object[] | KeysNotHad
  readonly metadata?: object | KeysNotHad
  readonly date?: number | null
  readonly inEffect?: Partial<KeySetStatus>
}

function check({ issuer, source, keys = [one], metadata = {}, date = NOW, inEffect }: Found = {}) {
  const documents: Readonly<Record<string, object | KeysNotHad>> = {
    [METADATA]: metadata instanceof KeysNotHad ? metadata : { issuer: ISSUER, jwks_uri: KEYS, ...metadata },
    [KEYS]: keys instanceof KeysNotHad ? keys : { keys },
  }
  const fetchDocument: FetchDocument = async url => {
    const document = documents[url] ?? new KeysNotHad('status_404', url)
    if (document instanceof KeysNotHad) throw document
    return { value: document as Record<string, unknown>, maxAgeMs: null, date }
  }
  const known = readKeySet({ keys: [one, two] }).keys
  return checkIssuer({
    issuer: { ...sound, ...issuer },
    source: { ...place, ...source },
    introspection: null,
    inEffect: { source: 'id', keys: known, isCurrent: true, fetchedAt: 0, failure: null, ...inEffect },
    fetchDocument,
    clock: () => NOW,
  })
}

test('a sound issuer has nothing said of it', async () => {
  const report = await check()
  assert.deepEqual(report.findings, [])
  assert.deepEqual([report.metadataUrl, report.jwksUri, report.clockDifferenceMs], [METADATA, KEYS, 0])
  assert.deepEqual(
    report.keys.map(({ keyId, algorithms }) => [keyId, algorithms]),
    [['one', ['ES256']]],
  )
})

const down = new KeysNotHad('unreachable', 'It cannot be reached.')
const rsa = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }), kid: 'rsa' }
const weak: readonly (readonly [finding: string, found: Found])[] = [
  ['error unreachable', { metadata: down }],
  ['error status_500', { keys: new KeysNotHad('status_500', 'It answered 500.') }],
  ['error issuer_differs', { metadata: { issuer: `${ISSUER}/` } }],
  ['error jwks_uri_refused', { metadata: { jwks_uri: 'http://id.example.com/keys' } }],
  ['error no_usable_key', { keys: [] }],
  ['error private_key_published', { keys: [one, { ...two, d: 'AAAA' }] }],
  ['error symmetric_key_published', { keys: [one, { kty: 'oct', k: 'AAAA' }] }],
  ['warning key_unusable', { keys: [one, { kty: 'RSA' }] }],
  ['info key_of_other_use', { keys: [one, { ...rsa, use: 'enc' }] }],
  ['error no_key_for_algorithms', { issuer: { algorithms: new Set(['RS256']) } }],
  ['warning algorithm_without_key', { issuer: { algorithms: new Set(['ES256', 'RS256']) } }],
  ['warning key_id_missing', { keys: [one, { ...two, kid: undefined }] }],
  ['warning key_id_twice', { keys: [one, { ...two, kid: 'one' }] }],
  ['info keys_not_yet_known', { keys: [one, ec('new')] }],
  ['warning jwks_uri_differs', { source: { jwksUrl: KEYS }, metadata: { jwks_uri: `${KEYS}/new` } }],
  ['info no_metadata', { source: { jwksUrl: KEYS }, metadata: new KeysNotHad('status_404', '404') }],
  ['warning gateway_fetch_failed', { inEffect: { failure: down, isCurrent: false } }],
  ['warning clock_difference', { date: NOW + 3000 }],
  ['error clock_difference', { date: NOW - 32_000 }],
  ['warning no_grants', { issuer: { grants: [] } }],
  ['warning long_lifetime', { issuer: { maxLifetimeMs: 86_400_001 } }],
  ['info type_jwt', { issuer: { types: new Set(['at+jwt', 'jwt']) } }],
  ['warning long_stale', { source: { life: { ...life, maxStaleMs: 8 * 86_400_000 } } }],
]
for (const [expected, found] of weak) {
  test(`says ${expected}, in words, and nothing else`, async () => {
    const { findings } = await check(found)
    assert.deepEqual(
      findings.map(({ level, code }) => `${level} ${code}`),
      [expected],
    )
    assert.match(findings[0]?.text ?? '', /^\p{L}.*[.]$/u)
  })
}

test('a clock that is told to the second may be a second off, and one that is not told is not judged', async () => {
  assert.equal((await check({ date: NOW - 1000 })).clockDifferenceMs, 0)
  assert.equal((await check({ date: NOW - 2500 })).clockDifferenceMs, -1500)
  const untold = await check({ date: null })
  assert.deepEqual([untold.clockDifferenceMs, untold.findings], [null, []])
})

test('an outage is one error beside what the gateway says, which has keys yet', async () => {
  const { findings, keys } = await check({ metadata: down, inEffect: { failure: down, isCurrent: false } })
  assert.deepEqual(
    findings.map(({ level, code }) => `${level} ${code}`),
    ['error unreachable', 'error gateway_fetch_failed'],
  )
  assert.deepEqual(keys, [])
})

test('the worst comes first', async () => {
  const { findings } = await check({ issuer: { types: new Set(['jwt']), grants: [] }, keys: [] })
  assert.deepEqual(
    findings.map(({ level }) => level),
    ['error', 'warning', 'info'],
  )
})

test('keys in a file are looked at without asking anybody', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const jwksFile = join(folder, 'keys.json')
  writeFileSync(jwksFile, JSON.stringify({ keys: [one] }))
  const { findings, keys, jwksUri } = await check({ source: { jwksFile }, metadata: down, keys: down })
  assert.deepEqual([findings.map(({ code }) => code), keys.length, jwksUri], [['keys_in_file'], 1, null])
  writeFileSync(jwksFile, '{')
  const broken = await check({ source: { jwksFile } })
  assert.deepEqual(
    broken.findings.map(({ code }) => code),
    ['not_json', 'keys_in_file'],
  )
})
