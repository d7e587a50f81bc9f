import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import OpenAI from 'openai'
import { createDpopNonces, NONCE_STEP_MS } from '#auth/dpop/dpop-nonces.ts'
import { newProver, type ProofRequest, type Prover } from '#auth/dpop/proof-for-test.ts'
import { internalActor } from '#core/actor.ts'
import type { RefusalsEvent } from '#core/events.ts'
import type { Binding } from '#core/principal.ts'
import { readSecret } from '#secrets/data-directory.ts'
import { ask, type Gateway, type Reply, startGateway, until } from '../support/gateway.ts'
import { askAdmin, bootstrapToken } from '../support/process.ts'
import { configFor, type Provider, sendJson, startProvider } from '../support/provider.ts'

const ISSUER = 'https://id.example.com'
const CHAT = '/v1/chat/completions'
const BODY = JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'Hello' }] })

let provider: Provider
let identities: Provider
let gateway: Gateway
/** Signs access tokens of the issuer. */
let issue: (claims: object) => Promise<string>
let holder: Prover
let thief: Prover
/** A key bound to the holder's. */
let key: string
let keyId: string

before(async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }
  identities = await startProvider((_request, res) => sendJson(res, 200, { keys: [jwk] }))
  issue = claims =>
    new SignJWT({ iss: ISSUER, aud: 'ostiary', sub: 'alice', client_id: 'app', jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  provider = await startProvider((_request, res) => sendJson(res, 200, { object: 'chat.completion', choices: [] }))
  gateway = await start()
  ;[holder, thief] = [await newProver(), await newProver()]
  ;({ key, keyId } = await mint(gateway, { kind: 'dpop', thumbprint: holder.thumbprint }))
})
after(async () => {
  for (const each of [gateway, provider, identities]) await each?.[Symbol.asyncDispose]()
})

function start(dpop = '{}', constraint = 'none'): Promise<Gateway> {
  const { yaml, env } = configFor(provider)
  const issuer = `{ issuer: '${ISSUER}', jwksUrl: '${identities.url}/keys', allowPrivateNetwork: true, audience: [ostiary], algorithms: [ES256], senderConstraint: ${constraint}, grants: [{ scopes: ['chat:create'] }] }`
  return startGateway({ yaml: `${yaml}dpop: ${dpop}\nissuers: { company: ${issuer} }\n`, env, workers: 4 })
}

async function mint({ ostiary }: Gateway, binding: Binding | null): Promise<{ key: string; keyId: string }> {
  const wanted = { name: 'bound', environment: 'live' as const, binding }
  const { record, secret } = await ostiary.keys.mint(wanted, internalActor('test'))
  return { key: secret.reveal(), keyId: record.id }
}

interface Sent {
  readonly to?: Gateway
  readonly path?: string
  readonly credential?: string
  readonly scheme?: string
  readonly proof?: string | string[] | undefined
  readonly headers?: Record<string, string>
}

function call({ to = gateway, path = CHAT, credential = key, scheme = 'DPoP', proof, headers }: Sent): Promise<Reply> {
  const sent = { 'content-type': 'application/json', authorization: `${scheme} ${credential}`, ...headers }
  return ask(to.url + path, { headers: { ...sent, ...(proof !== undefined && { dpop: proof }) }, body: BODY })
}

/** A proof of the holder for the chat endpoint with the bound key, but for what is changed. */
function prove(change: Partial<ProofRequest> = {}, by = holder): Promise<string> {
  return by.prove({ url: gateway.url + CHAT, credential: key, ...change })
}

/** Refusals that must be on record, as soon as they are: reason and times, at least. */
async function recorded(wanted: Readonly<Record<string, number>>, { refusals }: Gateway): Promise<RefusalsEvent[]> {
  return until(JSON.stringify(wanted), async () => {
    const found = await refusals()
    const times = (reason: string) =>
      found.filter(event => event.reason === reason).reduce((sum, { count }) => sum + count, 0)
    return Object.entries(wanted).every(([reason, count]) => times(reason) >= count) && found
  })
}

/** What is to be on record of this gateway at its end. */
const wanted: Record<string, number> = {}
function refusedFor(reply: Reply, reason: string, times = 1): void {
  assert.equal(reply.status, 401, reason)
  wanted[reason] = (wanted[reason] ?? 0) + times
}

describe('a key bound to a DPoP key', () => {
  test('works with a proof, of which the provider is told nothing', async () => {
    provider.requests.splice(0)
    const reply = await call({ proof: await prove() })
    assert.equal(reply.status, 200, reply.text)
    const { headers } = provider.one()
    assert.equal(headers.dpop, undefined)
    assert.ok(!JSON.stringify(headers).includes(key))
    assert.equal(reply.headers['dpop-nonce'], undefined)
  })

  test('works over what names the same: another query, an escape of the path, host in capitals', async () => {
    const { port } = new URL(gateway.url)
    for (const [path, htu] of [
      [`${CHAT}?trace=1`, gateway.url + CHAT],
      [CHAT, `${gateway.url}${CHAT}?trace=1#part`],
      ['/v1/%63hat/completions', gateway.url + CHAT],
      [CHAT, `${gateway.url}/v1/%63hat/completions`],
      [CHAT, `HTTP://127.0.0.1:${port}${CHAT}`],
    ] as const) {
      const reply = await call({ path, proof: await prove({ url: htu }) })
      assert.equal(reply.status, 200, `${path} ${htu}`)
    }
  })

  test('one proof sent fifty times at once over four workers is taken exactly once', async () => {
    for (let round = 0; round < 4; round++) {
      const proof = await prove()
      const replies = await Promise.all(Array.from({ length: 50 }, () => call({ proof })))
      const statuses = replies.map(({ status }) => status).toSorted()
      assert.deepEqual(statuses, [200, ...Array(49).fill(401)])
    }
    const events = await recorded({ proof_replayed: 4 * 49 }, gateway)
    const replays = events.filter(({ reason }) => reason === 'proof_replayed')
    assert.ok(new Set(replays.map(({ worker }) => worker)).size > 1, 'the calls reached several workers')
    assert.ok(replays.every(({ credential }) => credential === keyId))
  })

  test('works with the OpenAI SDK, whose fetch adds a proof to each call and to each retry', async () => {
    let failures = 1
    const answer = provider.answer
    provider.answer = (request, res) => (failures-- > 0 ? sendJson(res, 500, { error: {} }) : answer(request, res))
    const withProof: typeof fetch = async (url, init) => {
      const headers = new Headers(init?.headers)
      const target = String(url)
      headers.set('authorization', `DPoP ${key}`)
      headers.set('dpop', await holder.prove({ url: target, credential: key, method: init?.method ?? 'GET' }))
      return fetch(target, { ...init, headers })
    }
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, fetch: withProof, maxRetries: 1 })
    const models = await client.models.list()
    assert.ok(models.data.some(({ id }) => id === 'gpt'))
    const { object } = await client.chat.completions.create({ model: 'gpt', messages: [] })
    assert.equal(object, 'chat.completion')
    provider.answer = answer
  })
})

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Of no asymmetric signature. */
function unsigned(alg: string, sign: (text: string) => string): string {
  const claims = { htm: 'POST', htu: gateway.url + CHAT, iat: seconds(0), jti: randomUUID() }
  const text = `${encode({ typ: 'dpop+jwt', alg, jwk: holder.jwk })}.${encode(claims)}`
  return `${text}.${sign(text)}`
}

const attacks: Readonly<Record<string, readonly [sent: () => Promise<Sent>, reason: string]>> = {
  'the key borne alone': [async () => ({ scheme: 'Bearer' }), 'proof_as_bearer'],
  'the key borne beside a good proof': [async () => ({ scheme: 'Bearer', proof: await prove() }), 'proof_as_bearer'],
  'no proof': [async () => ({}), 'proof_missing'],
  'two proofs': [async () => ({ proof: [await prove(), await prove()] }), 'proof_repeated'],
  'a huge proof': [async () => ({ proof: await prove({ claims: { more: 'x'.repeat(6000) } }) }), 'proof_too_long'],
  'a proof by another key': [async () => ({ proof: await prove({}, thief) }), 'proof_other_key'],
  'a proof by another key that shows the holder’s': [
    async () => ({ proof: await prove({ header: { jwk: holder.jwk } }, thief) }),
    'proof_signature',
  ],
  'a proof with the private key in it': [
    async () => ({ proof: await prove({ header: { jwk: holder.privateJwk } }) }),
    'proof_private_key',
  ],
  'a proof with HMAC under the public key': [
    async () => ({
      proof: unsigned('HS256', text =>
        createHmac('sha256', JSON.stringify(holder.jwk)).update(text).digest('base64url'),
      ),
    }),
    'proof_algorithm',
  ],
  'a proof with the algorithm none': [async () => ({ proof: unsigned('none', () => 'AA') }), 'proof_algorithm'],
  'a token in place of a proof': [async () => ({ proof: await issue({}) }), 'proof_type'],
  'a proof for another method': [async () => ({ proof: await prove({ method: 'GET' }) }), 'proof_method'],
  'a proof for another path': [
    async () => ({ proof: await prove({ url: `${gateway.url}/v1/models` }) }),
    'proof_target',
  ],
  'a proof for another host': [
    async () => ({ proof: await prove({ url: `https://ai.example.com${CHAT}` }) }),
    'proof_target',
  ],
  'a proof for a forged Host': [
    async () => ({ proof: await prove({ url: `http://evil.example${CHAT}` }), headers: { host: 'evil.example' } }),
    'proof_target',
  ],
  'a proof for a forged X-Forwarded-Host': [
    async () => ({
      proof: await prove({ url: `https://evil.example${CHAT}` }),
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' },
    }),
    'proof_target',
  ],
  'a proof with an escaped slash': [
    async () => ({ proof: await prove({ url: `${gateway.url}/v1/chat%2Fcompletions` }) }),
    'proof_target',
  ],
  'a proof for another key of the same holder': [
    async () => ({ proof: await prove({ credential: 'sk_live_other' }) }),
    'proof_credential',
  ],
  'a proof for no credential': [
    async () => ({ proof: await prove({ claims: { ath: undefined } }) }),
    'proof_credential',
  ],
  'an old proof': [async () => ({ proof: await prove({ claims: { iat: seconds(-61) } }) }), 'proof_too_old'],
  'a proof of tomorrow': [
    async () => ({ proof: await prove({ claims: { iat: seconds(86_400) } }) }),
    'proof_in_future',
  ],
  'a proof without an id': [async () => ({ proof: await prove({ claims: { jti: undefined } }) }), 'proof_id'],
}

describe('every attack on a proof is refused alike, recorded for what it is, and sends nothing to the provider', () => {
  for (const [what, [sent, reason]] of Object.entries(attacks)) {
    test(`${what}: ${reason}`, async () => {
      provider.requests.splice(0)
      const attack = await sent()
      const reply = await call(attack)
      const unknown = await call({ ...attack, credential: 'sk_live_unknown' })
      assert.deepEqual([reply.status, unknown.status], [401, 401])
      assert.equal(reply.text, unknown.text)
      const challenge = String(reply.headers['www-authenticate'])
      if (attack.scheme === 'Bearer') assert.equal(challenge, unknown.headers['www-authenticate'])
      else
        assert.match(
          challenge,
          /^DPoP realm="ostiary", error="invalid_dpop_proof", .*, algs="ES256 [A-Za-z0-9 ]+", resource_metadata="[^"]+"$/,
        )
      refusedFor(reply, reason)
      assert.equal(provider.requests.length, 0)
    })
  }

  test('a key that is bound to nothing, with a proof', async () => {
    const { key: unbound } = await mint(gateway, null)
    const reply = await call({ credential: unbound, proof: await prove({ credential: unbound }) })
    assert.match(String(reply.headers['www-authenticate']), /^DPoP .*error="invalid_token"/)
    refusedFor(reply, 'proof_not_bound')
    assert.equal((await call({ credential: unbound, scheme: 'Bearer' })).status, 200)
  })

  test('a key bound to a certificate, on a plaintext connection', async () => {
    const { key: bound } = await mint(gateway, { kind: 'certificate', thumbprint: holder.thumbprint })
    for (const headers of [{}, { 'x-forwarded-client-cert': 'x', 'client-cert': ':AA==:' }]) {
      refusedFor(await call({ credential: bound, scheme: 'Bearer', headers }), 'proof_no_certificate')
    }
  })
})

describe('a token bound to a DPoP key', () => {
  const bound = (prover: Prover) => issue({ cnf: { jkt: prover.thumbprint } })

  test('works with a proof for it, and with none for another token of the same holder', async () => {
    const [one, two] = [await bound(holder), await bound(holder)]
    const proof = await prove({ credential: one })
    refusedFor(await call({ credential: two, proof }), 'proof_credential')
    const reply = await call({ credential: one, proof })
    assert.equal(reply.status, 200, reply.text)
    refusedFor(await call({ credential: one, proof }), 'proof_replayed')
  })

  test('is refused where it is borne, also by who remembers it verified', async () => {
    const token = await bound(holder)
    assert.equal((await call({ credential: token, proof: await prove({ credential: token }) })).status, 200)
    for (let n = 0; n < 8; n++) refusedFor(await call({ credential: token, scheme: 'Bearer' }), 'proof_as_bearer')
  })

  test('unbound it is taken where it is borne, and refused with a proof', async () => {
    const token = await issue({})
    assert.equal((await call({ credential: token, scheme: 'Bearer' })).status, 200)
    refusedFor(await call({ credential: token, proof: await prove({ credential: token }) }), 'proof_not_bound')
  })

  test('of an issuer whose tokens must be bound, one that is not is refused', async () => {
    await using strict = await start('{}', 'dpop')
    const unbound = await call({ to: strict, credential: await issue({}), scheme: 'Bearer' })
    assert.equal(unbound.status, 401)
    const credential = await bound(holder)
    const reply = await call({ to: strict, credential, proof: await prove({ url: strict.url + CHAT, credential }) })
    assert.equal(reply.status, 200, reply.text)
    await recorded({ token_not_bound: 1 }, strict)
  })

  test('each refusal is on record for what it is', async () => {
    const events = await recorded(wanted, gateway)
    const ofKey = events.filter(({ credential }) => credential === keyId).map(({ reason }) => reason)
    for (const [, reason] of Object.values(attacks)) assert.ok(ofKey.includes(reason), reason)
  })
})

describe('where a nonce is asked for', () => {
  test('any worker takes what another gave out; none, a made-up and an ended one are refused with a new one', async () => {
    await using strict = await start('{ requireNonce: true }')
    const { key: credential } = await mint(strict, { kind: 'dpop', thumbprint: holder.thumbprint })
    const send = async (claims: object) =>
      call({
        to: strict,
        credential,
        proof: await prove({ url: strict.url + CHAT, credential, claims: { ...claims } }),
      })
    const first = await send({})
    assert.equal(first.status, 401)
    assert.match(String(first.headers['www-authenticate']), /^DPoP .*error="use_dpop_nonce"/)
    const nonce = String(first.headers['dpop-nonce'])
    const replies = await Promise.all(Array.from({ length: 24 }, () => send({ nonce })))
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([200]))
    const events = await strict.events(24)
    assert.ok(new Set(events.map(({ worker }) => worker)).size > 1, 'the calls reached several workers')

    const secret = readSecret(join(strict.dataDirectory, 'deployment-secret'))
    const nonceOf = (ago: number) => createDpopNonces(secret, () => Date.now() - ago * NONCE_STEP_MS).current()
    const before = await send({ nonce: nonceOf(1) })
    assert.equal(before.status, 200, 'that of the step before is good')
    assert.equal(before.headers['dpop-nonce'], nonceOf(0))
    for (const ended of [nonceOf(2), nonceOf(-3), 'made-up', nonce.toLowerCase()]) {
      const reply = await send({ nonce: ended })
      assert.equal(reply.status, 401)
      assert.equal(reply.headers['dpop-nonce'], nonceOf(0))
    }
    await recorded({ proof_nonce_missing: 1, proof_nonce: 4 }, strict)
  })
})

describe('where there is no room for proofs', () => {
  test('calls are answered 503 and tell when to come again; nothing is let through unremembered', async () => {
    await using small = await start('{ rememberedProofs: 256 }')
    const { key: credential } = await mint(small, { kind: 'dpop', thumbprint: holder.thumbprint })
    const proofs = await Promise.all(Array.from({ length: 40 }, () => prove({ url: small.url + CHAT, credential })))
    const replies = await Promise.all(proofs.map(proof => call({ to: small, credential, proof })))
    const statuses = Map.groupBy(replies, ({ status }) => status)
    assert.deepEqual([statuses.get(200)?.length, statuses.get(503)?.length], [32, 8])
    assert.match(statuses.get(503)?.[0]?.text ?? '', /auth\.too_many_proofs/)
    assert.equal(statuses.get(503)?.[0]?.headers['retry-after'], '1')
  })
})

describe('the binding of a key', () => {
  const admin = (method: string, path: string, body?: object) =>
    ask(gateway.adminUrl + path, {
      method,
      headers: { authorization: `Bearer ${bootstrapToken(gateway.dataDirectory)}`, 'content-type': 'application/json' },
      body: body === undefined ? '' : JSON.stringify(body),
    })

  test('is made, shown, changed and kept by a rotation, and told to every worker', async () => {
    const made = await askAdmin(gateway, '/api/keys', { name: 'x', binding: { dpop_jkt: holder.thumbprint } })
    assert.equal(made.status, 201, JSON.stringify(made.json))
    const { key: view, secret } = made.json as { key: { id: string; binding: object }; secret: string }
    assert.deepEqual(view.binding, { dpop_jkt: holder.thumbprint })
    const path = `/api/keys/${view.id}`
    const statusBy = async (credential: string, prover: Prover | null) => {
      const sent = prover === null ? { scheme: 'Bearer' } : { proof: await prove({ credential }, prover) }
      const replies = await Promise.all(Array.from({ length: 8 }, () => call({ credential, ...sent })))
      // One proof is good for one call.
      return new Set(replies.map(({ status }) => status)).has(200)
    }
    const rotated = JSON.parse((await admin('POST', `${path}/rotate`, { grace: 60 })).text)
    for (const each of [secret, rotated.secret]) {
      assert.deepEqual(
        [await statusBy(each, holder), await statusBy(each, thief), await statusBy(each, null)],
        [true, false, false],
      )
    }
    assert.equal((await admin('PATCH', path, { binding: { dpop_jkt: thief.thumbprint } })).status, 200)
    await until('the new key alone works', async () => !(await statusBy(secret, holder)) && statusBy(secret, thief))
    assert.equal((await admin('PATCH', path, { binding: null })).status, 200)
    await until('it may be borne', async () => !(await statusBy(secret, thief)) && statusBy(secret, null))
    assert.equal((await admin('PATCH', path, { binding: { x5t_s256: holder.thumbprint } })).status, 200)
    await until('a certificate is asked for', async () => !(await statusBy(secret, null)))
    assert.deepEqual(JSON.parse((await admin('GET', path)).text).key.binding, { x5t_s256: holder.thumbprint })
  })

  test('is refused where it can never apply', async () => {
    for (const binding of [
      { dpop_jkt: 'x' },
      { dpop_jkt: `${'A'.repeat(42)}B` },
      { dpop_jkt: holder.thumbprint, x5t_s256: holder.thumbprint },
      { jkt: holder.thumbprint },
      {},
      holder.thumbprint,
    ]) {
      const { status } = await admin('POST', '/api/keys', { name: 'x', binding } as object)
      assert.equal(status, 400, JSON.stringify(binding))
    }
  })
})
