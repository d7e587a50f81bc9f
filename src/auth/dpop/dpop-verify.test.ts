import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { calculateJwkThumbprint } from 'jose'
import { dpopAlgorithms } from './dpop-algorithms.ts'
import { createDpopNonces, NONCE_STEP_MS } from './dpop-nonces.ts'
import { createTargetMatch } from './dpop-target.ts'
import { createProofCheck } from './dpop-verify.ts'
import { newProver, type ProofRequest, type Prover } from './proof-for-test.ts'
import { createReplayMemory, openReplayMemory } from './replay-memory.ts'

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const URL = 'https://ai.example.com/v1/chat/completions'
const request: ProofRequest = { url: URL, credential: 'k1', claims: { iat: SECONDS } }
const holder = await newProver()

interface Presented {
  readonly proof?: string | undefined
  readonly credential?: string
  readonly method?: string
  readonly url?: string
  readonly thumbprint?: string
}

/** What is wrong with a proof that is presented at `at`; and the nonces that callers were told. */
function checker({ since = NOW - 100_000, requireNonce = false, slots = 1024 } = {}) {
  let now = since
  const clock = () => now
  const memory = createReplayMemory(slots, clock)
  const nonces = createDpopNonces(Buffer.alloc(32, 1), clock)
  const told: string[] = []
  const check = createProofCheck({
    matchTarget: createTargetMatch(new Set(['https://ai.example.com'])),
    maxAgeMs: 60_000,
    skewMs: 5000,
    replays: openReplayMemory(memory, clock),
    nonces: requireNonce ? nonces : null,
    clock,
  })
  return {
    told,
    nonces,
    ask: async (presented: Presented, at = NOW) => {
      now = at
      const { proof, credential = 'k1', method = 'POST', url = '/v1/chat/completions' } = presented
      const req = { method, url, headers: { dpop: proof } } as unknown as IncomingMessage
      const { thumbprint = holder.thumbprint } = presented
      return check({ req, origin: null, credential, thumbprint, onNonce: nonce => told.push(nonce) })
    },
  }
}

/** With claims and header changed. */
function prove(change: Partial<ProofRequest> = {}, by: Prover = holder): Promise<string> {
  return by.prove({ ...request, ...change, claims: { ...request.claims, ...change.claims } })
}

describe('a proof', () => {
  for (const algorithm of dpopAlgorithms) {
    test(`by a key for ${algorithm} is taken, and only once`, async () => {
      const prover = await newProver(algorithm)
      const { ask } = checker()
      for (const wrong of [null, null]) {
        const proof = await prove({}, prover)
        assert.equal(await ask({ proof, thumbprint: prover.thumbprint }), wrong)
        assert.equal(await ask({ proof, thumbprint: prover.thumbprint }), 'proof_replayed')
      }
    })
  }

  test('is taken from its making on, with clocks that differ, until its end', async () => {
    for (const [age, wrong] of [
      [-6, 'proof_in_future'],
      [-5, null],
      [0, null],
      [0.5, null],
      [59, null],
      [59.999, null],
      [60, 'proof_too_old'],
      [1e6, 'proof_too_old'],
    ] as const) {
      const proof = await prove({ claims: { iat: SECONDS - age } })
      assert.equal(await checker().ask({ proof }), wrong, `${age} s old`)
    }
  })

  test('from before the gateway began is refused: it may have been used', async () => {
    const { ask } = checker({ since: NOW - 3400 })
    assert.equal(await ask({ proof: await prove({ claims: { iat: SECONDS - 5 } }) }), 'proof_too_old')
    assert.equal(await ask({ proof: await prove({ claims: { iat: SECONDS - 4 } }) }), null)
  })
})

const hmacProof = () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const { x = '', ...rest } = holder.jwk
  const signed = `${part({ typ: 'dpop+jwt', alg: 'HS256', jwk: { x, ...rest } })}.${part({ ...request.claims })}`
  return `${signed}.${createHmac('sha256', x).update(signed).digest('base64url')}`
}

/** A good proof with another text in place of one of its parts. */
async function rewritten(index: number, change: (text: string) => string): Promise<string> {
  const parts = (await prove()).split('.')
  const text = Buffer.from(parts[index] as string, 'base64url').toString()
  parts[index] = Buffer.from(change(text)).toString('base64url')
  return parts.join('.')
}

const other = await newProver()
const attacks: readonly (readonly [what: string, presented: () => Promise<Presented>, reason: string])[] = [
  ['none', async () => ({ proof: undefined }), 'proof_missing'],
  ['an empty one', async () => ({ proof: '' }), 'proof_missing'],
  ['two, joined', async () => ({ proof: `${await prove()}, ${await prove()}` }), 'proof_repeated'],
  ['one that is no JWT', async () => ({ proof: 'a.b' }), 'proof_shape'],
  ['one encrypted', async () => ({ proof: 'a.b.c.d.e' }), 'proof_shape'],
  ['a huge one', async () => ({ proof: await prove({ claims: { more: 'x'.repeat(4000) } }) }), 'proof_too_long'],
  ['one of another type', async () => ({ proof: await prove({ header: { typ: 'JWT' } }) }), 'proof_type'],
  ['one without a type', async () => ({ proof: await prove({ header: { typ: undefined } }) }), 'proof_type'],
  ['one signed symmetrically', async () => ({ proof: hmacProof() }), 'proof_algorithm'],
  [
    'one not signed',
    async () => ({ proof: await rewritten(0, text => text.replace('ES256', 'none')) }),
    'proof_algorithm',
  ],
  [
    'one that names its key twice',
    async () => ({ proof: await rewritten(0, text => text.replace('{', '{"jwk":1,')) }),
    'proof_json',
  ],
  [
    'one that names its method twice',
    async () => ({ proof: await rewritten(1, text => text.replace('{', '{"htm":"POST",')) }),
    'proof_json',
  ],
  [
    'one that is critical of something',
    async () => ({ proof: await rewritten(0, text => text.replace('{', '{"crit":["b64"],')) }),
    'proof_critical',
  ],
  ['one compressed', async () => ({ proof: await prove({ header: { zip: 'DEF' } }) }), 'proof_critical'],
  ['one without a key', async () => ({ proof: await prove({ header: { jwk: undefined } }) }), 'proof_key'],
  [
    'one with the private key',
    async () => ({ proof: await prove({ header: { jwk: holder.privateJwk } }) }),
    'proof_private_key',
  ],
  [
    'one with a symmetric key',
    async () => ({ proof: await prove({ header: { jwk: { kty: 'oct', k: 'AA' } } }) }),
    'proof_private_key',
  ],
  [
    'one whose key is of another curve',
    async () => ({ proof: await prove({ header: { jwk: { ...holder.jwk, crv: 'P-384' } } }) }),
    'proof_key',
  ],
  [
    'one whose key is to encrypt',
    async () => ({ proof: await prove({ header: { jwk: { ...holder.jwk, use: 'enc' } } }) }),
    'proof_key',
  ],
  [
    'one whose key is for another algorithm',
    async () => ({ proof: await prove({ header: { jwk: { ...holder.jwk, alg: 'ES384' } } }) }),
    'proof_key',
  ],
  ['one by another key', async () => ({ proof: await prove({}, other) }), 'proof_other_key'],
  [
    'one by another key that shows the right one',
    async () => ({ proof: await prove({ header: { jwk: holder.jwk } }, other) }),
    'proof_signature',
  ],
  [
    'one changed after it was signed',
    async () => ({ proof: await rewritten(1, text => text.replace(/"jti":"[^"]*"/, `"jti":"${randomUUID()}"`)) }),
    'proof_signature',
  ],
  ['one for another method', async () => ({ proof: await prove({ method: 'GET' }) }), 'proof_method'],
  ['one for the method in lower case', async () => ({ proof: await prove({ method: 'post' }) }), 'proof_method'],
  [
    'one for another host',
    async () => ({ proof: await prove({ url: 'https://evil.example.com/v1/chat/completions' }) }),
    'proof_target',
  ],
  [
    'one for another path',
    async () => ({ proof: await prove({ url: 'https://ai.example.com/v1/models' }) }),
    'proof_target',
  ],
  ['one for no target', async () => ({ proof: await prove({ claims: { htu: undefined } }) }), 'proof_target'],
  ['one for another credential', async () => ({ proof: await prove({ credential: 'k2' }) }), 'proof_credential'],
  ['one for no credential', async () => ({ proof: await prove({ claims: { ath: undefined } }) }), 'proof_credential'],
  ['one without an id', async () => ({ proof: await prove({ claims: { jti: undefined } }) }), 'proof_id'],
  ['one with an empty id', async () => ({ proof: await prove({ claims: { jti: '' } }) }), 'proof_id'],
  ['one with a number as id', async () => ({ proof: await prove({ claims: { jti: 7 } }) }), 'proof_id'],
  ['one with a long id', async () => ({ proof: await prove({ claims: { jti: 'x'.repeat(257) } }) }), 'proof_id'],
  ['one without a time', async () => ({ proof: await prove({ claims: { iat: undefined } }) }), 'proof_time'],
  [
    'one whose time is a text',
    async () => ({ proof: await prove({ claims: { iat: String(SECONDS) } }) }),
    'proof_time',
  ],
  ['one from before time', async () => ({ proof: await prove({ claims: { iat: -1 } }) }), 'proof_time'],
]

describe('refuses', () => {
  for (const [what, presented, reason] of attacks) {
    test(`${what}: ${reason}`, async () => assert.equal(await checker().ask(await presented()), reason))
  }

  test('a key that is on no curve', async () => {
    const jwk = { ...holder.jwk, y: 'A'.repeat(43) }
    const proof = await prove({ header: { jwk } }, other)
    assert.equal(await checker().ask({ proof, thumbprint: await calculateJwkThumbprint(jwk) }), 'proof_signature')
  })

  test('an id that was used, in whatever proof by that key; another key may use it', async () => {
    const { ask } = checker()
    const claims = { jti: 'once' }
    assert.equal(await ask({ proof: await prove({ claims }) }), null)
    assert.equal(await ask({ proof: await prove({ claims: { ...claims, iat: SECONDS - 1 } }) }), 'proof_replayed')
    assert.equal(await ask({ proof: await prove({ claims }, other), thumbprint: other.thumbprint }), null)
  })

  test('a bad proof without remembering it', async () => {
    const { ask } = checker()
    const claims = { jti: 'once' }
    const forged = await prove({ claims, header: { jwk: holder.jwk } }, other)
    assert.equal(await ask({ proof: forged }), 'proof_signature')
    assert.equal(await ask({ proof: await prove({ claims }) }), null)
  })

  test('what there is no room to remember', async () => {
    const { ask } = checker({ slots: 256 })
    const outcomes = new Set<string | null>()
    for (let n = 0; n < 33; n++) outcomes.add(await ask({ proof: await prove() }))
    assert.deepEqual(outcomes, new Set([null, 'proof_no_room']))
  })
})

describe('where a nonce is asked for', () => {
  test('a proof without one, or with one made up, is refused and the caller told which', async () => {
    const { ask, told, nonces } = checker({ requireNonce: true })
    assert.equal(await ask({ proof: await prove() }), 'proof_nonce_missing')
    assert.equal(await ask({ proof: await prove({ claims: { nonce: 'x'.repeat(22) } }) }), 'proof_nonce')
    assert.equal(await ask({ proof: await prove({ claims: { nonce: 'ünicode' } }) }), 'proof_nonce')
    assert.equal(await ask({ proof: await prove({ claims: { nonce: 7 } }) }), 'proof_nonce')
    assert.deepEqual(told, Array(4).fill(nonces.current()))
  })

  test('one is good for a step and the next, and then the caller is told the new one', async () => {
    const { ask, told, nonces } = checker({ requireNonce: true })
    const began = Math.floor(NOW / NONCE_STEP_MS) * NONCE_STEP_MS
    const at = (time: number, nonce: string) =>
      prove({ claims: { iat: Math.floor(time / 1000), nonce } }).then(proof => ask({ proof }, time))
    await ask({ proof: await prove() }, began)
    const [nonce = ''] = told.splice(0)
    assert.match(nonce, /^[A-Za-z0-9_-]{22}$/)
    assert.equal(await at(began + NONCE_STEP_MS - 1, nonce), null)
    assert.deepEqual(told, [])
    assert.equal(await at(began + NONCE_STEP_MS, nonce), null)
    assert.deepEqual(told, [nonces.current()])
    assert.notEqual(told[0], nonce)
    assert.equal(await at(began + 2 * NONCE_STEP_MS - 1, nonce), null)
    assert.equal(await at(began + 2 * NONCE_STEP_MS, nonce), 'proof_nonce')
  })

  test('those of another deployment are made up', () => {
    const clock = () => NOW
    const [one, same, stranger] = [1, 1, 2].map(byte => createDpopNonces(Buffer.alloc(32, byte), clock))
    assert.equal(same?.judge(one?.current() ?? ''), 'current')
    assert.equal(stranger?.judge(one?.current() ?? ''), null)
  })

  test('where none is asked for, any is ignored', async () => {
    assert.equal(await checker().ask({ proof: await prove({ claims: { nonce: 'whatever' } }) }), null)
  })
})
