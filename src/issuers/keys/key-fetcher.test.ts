import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { KeysNotHad } from '#issuers/review/finding.ts'
import type { FetchDocument } from './fetch-document.ts'
import { createKeyFetcher } from './key-fetcher.ts'

const ISSUER = 'https://id.example.com'
const METADATA = `${ISSUER}/.well-known/openid-configuration`
const life = { refreshMs: 600_000, maxStaleMs: 3_600_000, refetchMs: 10_000, refetchBurst: 3 }
const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })

/** A fetcher, the time that it sees, and what the issuer says. */
function setUp(jwksUrl: string | null = null) {
  const state = {
    now: 0,
    jwksUri: 'https://id.example.com/keys',
    failure: null as KeysNotHad | null,
    asked: [] as string[],
  }
  const fetchDocument: FetchDocument = async url => {
    state.asked.push(url)
    if (url !== METADATA) return { value: { keys: [jwk] }, maxAgeMs: 60_000, date: null }
    if (state.failure !== null) throw state.failure
    return { value: { issuer: ISSUER, jwks_uri: state.jwksUri }, maxAgeMs: null, date: null }
  }
  const source = { issuer: ISSUER, jwksUrl, allowPrivateNetwork: false, life }
  const fetch = createKeyFetcher(source, fetchDocument, () => state.now)
  return {
    state,
    /** Resolves to the places that were asked. */
    async fetch() {
      state.asked = []
      const { keys, maxAgeMs } = await fetch()
      assert.deepEqual([keys.length, maxAgeMs], [1, 60_000])
      return state.asked
    },
  }
}

test('discovers where the keys are, and again at each regular refresh', async () => {
  const { state, fetch } = setUp()
  assert.deepEqual(await fetch(), [METADATA, 'https://id.example.com/keys'])
  state.now = 10_000
  assert.deepEqual(await fetch(), ['https://id.example.com/keys'])
  state.now = 540_000
  state.jwksUri = 'https://id.example.com/moved'
  assert.deepEqual(await fetch(), [METADATA, 'https://id.example.com/moved'])
})

test('asks nobody where they are if the configuration says it', async () => {
  const { fetch } = setUp('https://id.example.com/known')
  assert.deepEqual(await fetch(), ['https://id.example.com/known'])
})

test('while discovery fails keys are fetched from where they were, for as long as they would be good', async () => {
  const { state, fetch } = setUp()
  await fetch()
  state.failure = new KeysNotHad('status_500', 'x')
  state.now = life.maxStaleMs
  assert.deepEqual(await fetch(), [METADATA, 'https://id.example.com/keys'])
  state.now = life.maxStaleMs + 1
  await assert.rejects(fetch(), { code: 'status_500' })
})

test('what discovery refuses is not replaced by what it said before', async () => {
  const { state, fetch } = setUp()
  await fetch()
  state.now = life.refreshMs
  state.jwksUri = 'http://id.example.com/keys'
  await assert.rejects(fetch(), { code: 'jwks_uri_refused' })
})

test('without discovery there are no keys', async () => {
  const { state, fetch } = setUp()
  state.failure = new KeysNotHad('timeout', 'x')
  await assert.rejects(fetch(), { code: 'timeout' })
})
