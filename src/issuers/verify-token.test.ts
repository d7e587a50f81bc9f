import assert from 'node:assert/strict'
import { createHmac, sign as cryptoSign, generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CompactEncrypt, compactVerify, exportSPKI } from 'jose'
import { Problem } from '#core/problems.ts'
import type { Claims, Issuer } from './issuer.ts'
import {
  goodClaims,
  identityOf,
  makeIssuer,
  makeKey,
  makeVerifier,
  NOW,
  publish,
  reasonOf,
  sign,
} from './issuer-under-test.ts'
import { presets } from './presets.ts'
import { MAX_TOKEN_LENGTH } from './read-token.ts'
import type { TokenFault } from './token-faults.ts'

const SECONDS = NOW / 1000
const key = await makeKey()
const stranger = await makeKey()
const other = await makeKey('RS256', 'b1')
const issuers = [makeIssuer(), makeIssuer({ name: 'partner', issuer: 'https://partner.example.com' })]
const verify = makeVerifier(publish({ company: [key], partner: [other] }), { issuers })

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const good = await sign(key)
const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.')
const without = (name: string) => ({ ...goodClaims, [name]: undefined })
const claiming = (claims: object) => sign(key, { ...goodClaims, ...claims })
const heading = (header: object) => sign(key, goodClaims, header)

/** A token that its sender put together: any header, and what `node:crypto` signs of it. */
function forge(header: object, signature: (input: string) => Buffer | string, payload: unknown = goodClaims): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${Buffer.from(signature(input)).toString('base64url')}`
}

const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 })
const attackerJwk = attacker.publicKey.export({ format: 'jwk' })
const byAttacker = (input: string) => cryptoSign('sha256', Buffer.from(input), attacker.privateKey)
const publicKeyPem = await exportSPKI(key.published.key)
const jweToken = () =>
  new CompactEncrypt(Buffer.from(JSON.stringify(goodClaims)))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
    .encrypt(attacker.publicKey)

/** The last character of a part with one of its unused bits set: bytes as before, another text. */
function setUnusedBit(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  assert.notEqual(part.length % 4, 0, 'the last character has unused bits')
  return part.slice(0, -1) + alphabet[alphabet.indexOf(part.at(-1) as string) + 1]
}

type Attack = readonly [what: string, token: () => string | Promise<string>, reason: TokenFault]

const attacks: Readonly<Record<string, readonly Attack[]>> = {
  'of the algorithm (RFC 8725 §2.1, §3.1)': [
    ...['none', 'None', 'NONE', 'nOnE', 'none ', ''].map(
      (alg): Attack => [
        `alg ${JSON.stringify(alg)}`,
        () => `${encode({ alg, typ: 'at+jwt' })}.${goodPayload}.AA`,
        'token_algorithm',
      ],
    ),
    ['alg none without a signature', () => `${encode({ alg: 'none', typ: 'at+jwt' })}.${goodPayload}.`, 'token_shape'],
    [
      'no alg at all',
      () => `${encode({ typ: 'at+jwt', kid: 'k1' })}.${goodPayload}.${goodSignature}`,
      'token_algorithm',
    ],
    [
      'an alg that is no text',
      () => forge({ alg: ['RS256'], typ: 'at+jwt', kid: 'k1' }, byAttacker),
      'token_algorithm',
    ],
    ...['HS256', 'HS384', 'HS512'].map(
      (alg): Attack => [
        `${alg} with the public key of the issuer as secret`,
        () =>
          forge({ alg, typ: 'at+jwt', kid: 'k1' }, input =>
            createHmac(`sha${alg.slice(2)}`, publicKeyPem)
              .update(input)
              .digest(),
          ),
        'token_algorithm',
      ],
    ),
    [
      'the algorithm in another case',
      () => forge({ alg: 'rs256', typ: 'at+jwt', kid: 'k1' }, () => Buffer.from(goodSignature, 'base64url')),
      'token_algorithm',
    ],
    ['an algorithm that the issuer is not configured for', async () => sign(await makeKey('ES256')), 'token_algorithm'],
    ['a token that is encrypted instead of signed', jweToken, 'token_encrypted'],
  ],
  'of the key (RFC 8725 §2.9, §3.10)': [
    ['signed by a stranger under the name of a published key', () => sign(stranger), 'token_signature'],
    ['signed by another issuer, under its own name for the key', () => sign(other), 'token_key'],
    [
      'signed by another issuer, under the name of a key of this one',
      () => sign(other, goodClaims, { kid: 'k1' }),
      'token_signature',
    ],
    [
      'of this issuer, said to be of another',
      () => sign(key, { ...goodClaims, iss: 'https://partner.example.com' }),
      'token_key',
    ],
    ['by a key that is not published', () => heading({ kid: 'k2' }), 'token_key'],
    ...['../../../dev/null', "k1' OR '1'='1", 'k1\u0000', '__proto__', 'constructor', 'K1', ' k1'].map(
      (kid): Attack => [`kid ${JSON.stringify(kid)}`, () => heading({ kid }), 'token_key'],
    ),
    ['a kid that is too long', () => heading({ kid: 'k'.repeat(257) }), 'token_key_id'],
    ['a kid that is empty', () => heading({ kid: '' }), 'token_key_id'],
    ['a kid that is a list', () => forge({ alg: 'RS256', typ: 'at+jwt', kid: ['k1'] }, byAttacker), 'token_key_id'],
    [
      'a key of the attacker’s own in the header',
      () => forge({ alg: 'RS256', typ: 'at+jwt', kid: 'k1', jwk: attackerJwk }, byAttacker),
      'token_signature',
    ],
    [
      'a key of the attacker’s own in the header, and no kid',
      () => forge({ alg: 'RS256', typ: 'at+jwt', jwk: attackerJwk }, byAttacker),
      'token_signature',
    ],
    ...['jku', 'x5u'].map(
      (name): Attack => [
        `${name} that leads to keys of the attacker`,
        () => forge({ alg: 'RS256', typ: 'at+jwt', kid: 'evil', [name]: 'https://evil.example/keys' }, byAttacker),
        'token_key',
      ],
    ),
    [
      'a chain of certificates of the attacker’s own',
      () => forge({ alg: 'RS256', typ: 'at+jwt', kid: 'k1', x5c: ['AAAA'] }, byAttacker),
      'token_signature',
    ],
  ],
  'of the header': [
    ['an extension that must be understood', () => heading({ crit: ['urgent'], urgent: true }), 'token_critical'],
    [
      'an empty list of extensions',
      () => forge({ alg: 'RS256', typ: 'at+jwt', crit: [] }, byAttacker),
      'token_critical',
    ],
    [
      'a payload that is not encoded',
      () => forge({ alg: 'RS256', typ: 'at+jwt', b64: false, crit: ['b64'] }, byAttacker),
      'token_critical',
    ],
    ['a payload that is compressed', () => heading({ zip: 'DEF' }), 'token_critical'],
    ['no type', () => heading({ typ: undefined }), 'token_type'],
    ['the type of an ID token of most', () => heading({ typ: 'JWT' }), 'token_type'],
    ['a type that only begins like it', () => heading({ typ: 'at+jwt2' }), 'token_type'],
    ['a type twice prefixed', () => heading({ typ: 'application/application/at+jwt' }), 'token_type'],
    ['a type that is no text', () => forge({ alg: 'RS256', typ: null, kid: 'k1' }, byAttacker), 'token_type'],
    ['what the gateway itself says to services', () => heading({ typ: 'ostiary-identity+jwt' }), 'token_type'],
    ['a proof of possession', () => heading({ typ: 'dpop+jwt' }), 'token_type'],
    ['an answer of introspection', () => heading({ typ: 'token-introspection+jwt' }), 'token_type'],
    ['a log-out token', () => heading({ typ: 'logout+jwt' }), 'token_type'],
  ],
  'of the text': [
    ['one part', () => `ey.`, 'token_shape'],
    ['two parts', () => `${goodHeader}.${goodPayload}`, 'token_shape'],
    ['four parts', () => `${good}.AA`, 'token_shape'],
    ['six parts', () => `${good}.AA.AA.AA`, 'token_shape'],
    ['a thousand parts', () => `ey${'.'.repeat(1000)}`, 'token_shape'],
    ['no signature', () => `${goodHeader}.${goodPayload}.`, 'token_shape'],
    ['no claims', () => `${goodHeader}..${goodSignature}`, 'token_shape'],
    ['padding', () => `${good}==`, 'token_shape'],
    ['padding in the claims', () => `${goodHeader}.${goodPayload}=.${goodSignature}`, 'token_shape'],
    ['white space', () => `${goodHeader}.${goodPayload}\t.${goodSignature}`, 'token_shape'],
    ['a line end after it', () => `${good}\n`, 'token_shape'],
    ['plain base64', () => `${goodHeader}.${goodPayload}.${goodSignature.slice(0, -4)}a+/b`, 'token_shape'],
    ['a part of one character too many', () => `${goodHeader}.${goodPayload}.${'A'.repeat(341)}`, 'token_shape'],
    [
      'an unused bit of the signature set',
      () => `${goodHeader}.${goodPayload}.${setUnusedBit(goodSignature)}`,
      'token_shape',
    ],
    ['too long', () => claiming({ long: 'x'.repeat(MAX_TOKEN_LENGTH) }), 'token_too_long'],
    ['claims cut off', () => `${goodHeader}.${encode('{"iss":')}.${goodSignature}`, 'token_json'],
    ['claims that are a list', () => sign(key, '[]'), 'token_json'],
    ['claims that are a text', () => sign(key, '"iss"'), 'token_json'],
    [
      'claims in UTF-16',
      () => `${goodHeader}.${Buffer.from('{}', 'utf16le').toString('base64url')}.${goodSignature}`,
      'token_json',
    ],
    [
      'claims that are not UTF-8',
      () => `${goodHeader}.${Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('base64url')}.AA`,
      'token_json',
    ],
    ['a claim twice', () => sign(key, `{"sub":"root",${JSON.stringify(goodClaims).slice(1)}`), 'token_json'],
    [
      'a claim twice, escaped',
      () => sign(key, `{"s\\u0075b":"root",${JSON.stringify(goodClaims).slice(1)}`),
      'token_json',
    ],
    [
      'a header member twice',
      () => `${encode('{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"k1"}')}.${goodPayload}.AA`,
      'token_json',
    ],
    [
      'a claim deep within, twice',
      () => sign(key, `{"a":{"b":1,"b":2},${JSON.stringify(goodClaims).slice(1)}`),
      'token_json',
    ],
    [
      'the claim __proto__',
      () => sign(key, `{"__proto__":{"sub":"root"},${JSON.stringify(goodClaims).slice(1)}`),
      'token_json',
    ],
    ['nesting without end', () => sign(key, `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}`), 'token_json'],
    ['half a character', () => sign(key, `{"a":"\\ud800",${JSON.stringify(goodClaims).slice(1)}`), 'token_json'],
    [
      'half a character in a name',
      () => sign(key, `{"\\udfff":1,${JSON.stringify(goodClaims).slice(1)}`),
      'token_json',
    ],
  ],
  'of the issuer': [
    ['none', () => sign(key, without('iss')), 'token_issuer'],
    ['unknown', () => claiming({ iss: 'https://evil.example' }), 'token_issuer'],
    ['with a slash more', () => claiming({ iss: 'https://id.example.com/' }), 'token_issuer'],
    ['in another case', () => claiming({ iss: 'https://ID.example.com' }), 'token_issuer'],
    ['by the name of the configuration', () => claiming({ iss: 'company' }), 'token_issuer'],
    ['in a list', () => claiming({ iss: ['https://id.example.com'] }), 'token_issuer'],
  ],
  'of the audience': [
    ['none', () => sign(key, without('aud')), 'token_audience'],
    ['null', () => claiming({ aud: null }), 'token_audience'],
    ['empty', () => claiming({ aud: [] }), 'token_audience'],
    ['another’s', () => claiming({ aud: 'payroll' }), 'token_audience'],
    ['several others’', () => claiming({ aud: ['payroll', 'mail'] }), 'token_audience'],
    ['a part of ours', () => claiming({ aud: 'ostiary.evil' }), 'token_audience'],
    ['in another case', () => claiming({ aud: 'Ostiary' }), 'token_audience'],
    ['in a list within a list', () => claiming({ aud: [['ostiary']] }), 'token_audience'],
    ['as a member', () => claiming({ aud: { ostiary: true } }), 'token_audience'],
    ['beside what is no text', () => claiming({ aud: ['ostiary', 1] }), 'token_audience'],
  ],
  'of time': [
    ['no end', () => sign(key, without('exp')), 'token_no_expiry'],
    ['an end that is a text', () => claiming({ exp: `${SECONDS + 600}` }), 'token_time'],
    ['an end beyond all time', () => claiming({ exp: 2 ** 40 }), 'token_time'],
    ['an end before all time', () => claiming({ exp: -1 }), 'token_time'],
    ['null for an end', () => claiming({ exp: null }), 'token_time'],
    ['an end before it was issued', () => claiming({ exp: SECONDS + 5, iat: SECONDS + 6 }), 'token_time'],
    ['an end before it begins', () => claiming({ exp: SECONDS + 5, nbf: SECONDS + 6 }), 'token_time'],
    ['ended, at the edge of the skew', () => claiming({ exp: SECONDS - 30, iat: SECONDS - 90 }), 'token_expired'],
    ['not begun, beyond the skew', () => claiming({ nbf: SECONDS + 31 }), 'token_not_yet_valid'],
    ['a beginning that is a text', () => claiming({ nbf: 'now' }), 'token_time'],
    ['issued in the future', () => claiming({ iat: SECONDS + 31 }), 'token_issued_in_future'],
    ['a lifetime beyond the bound', () => claiming({ exp: SECONDS + 3601 }), 'token_lifetime'],
    ['no word of when it was issued', () => sign(key, without('iat')), 'token_no_issue_time'],
    [
      'a lifetime beyond the bound, which it hides',
      () => claiming({ iat: undefined, exp: SECONDS + 3601 }),
      'token_no_issue_time',
    ],
    ['null for when it was issued', () => claiming({ iat: null }), 'token_time'],
  ],
  'of who it is': [
    ['nobody', () => sign(key, without('sub')), 'token_subject'],
    ['an empty subject', () => claiming({ sub: '' }), 'token_subject'],
    ['a number', () => claiming({ sub: 1 }), 'token_subject'],
    ['a subject too long', () => claiming({ sub: 'x'.repeat(256) }), 'token_subject'],
    ['a subject with a line end', () => claiming({ sub: 'alice\nadmin' }), 'token_subject'],
    ['a subject that looks like another', () => claiming({ sub: 'аlice' }), 'token_subject'],
    ['a subject with NUL', () => claiming({ sub: 'alice\u0000' }), 'token_subject'],
    ['a client that is a list', () => claiming({ client_id: ['app'] }), 'token_client'],
    ['a session that is a number', () => claiming({ sid: 7 }), 'token_identifier'],
    ['an id that no store could look up', () => claiming({ jti: 'a\u0000b' }), 'token_identifier'],
    ['an id without bound', () => claiming({ jti: 'x'.repeat(256) }), 'token_identifier'],
  ],
  'of possession': [
    ['bound to nothing that is known', () => claiming({ cnf: { kid: 'x' } }), 'token_confirmation'],
    [
      'bound to two things',
      () => claiming({ cnf: { jkt: 'A'.repeat(43), 'x5t#S256': 'A'.repeat(43) } }),
      'token_confirmation',
    ],
    ['bound to nothing', () => claiming({ cnf: {} }), 'token_confirmation'],
    ['bound to null', () => claiming({ cnf: null }), 'token_confirmation'],
    ['bound to half a thumbprint', () => claiming({ cnf: { jkt: 'AAAA' } }), 'token_confirmation'],
  ],
}

for (const [about, rows] of Object.entries(attacks)) {
  describe(`a forged or foreign token: ${about}`, () => {
    for (const [what, token, reason] of rows) {
      it(`${what}: ${reason}`, async () => assert.equal(await reasonOf(verify, await token()), reason))
    }
  })
}

describe('a token', () => {
  it('that is good says who it is, and what it is remembered by', async () => {
    const identity = await identityOf(verify, good)
    const { ceilings, ...rest } = identity
    assert.equal(ceilings.scopes?.size, 0)
    assert.deepEqual(rest, {
      kind: 'user',
      id: 'company:alice',
      project: 'proj_default',
      environment: 'live',
      expiresAt: NOW + 630_000,
      limits: null,
      budgets: null,
      roles: [],
      tags: {},
      binding: null,
      token: {
        issuer: 'company',
        subject: 'alice',
        client: 'app',
        session: null,
        tokenId: 't1',
        issuedAt: NOW,
        acr: null,
        authenticatedAt: null,
      },
    })
    assert.equal(await verify(good, '::1'), identity)
  })

  it('is taken at the edges of what is allowed', async () => {
    for (const token of [
      await heading({ typ: 'AT+JWT' }),
      await heading({ typ: 'application/at+jwt' }),
      await heading({ kid: undefined }),
      await heading({ jku: 'https://evil.example', x5u: 'https://evil.example', jwk: attackerJwk }),
      await claiming({ aud: ['payroll', 'ostiary'] }),
      await claiming({ exp: SECONDS - 29.5, iat: SECONDS - 600 }),
      await claiming({ nbf: SECONDS + 30, iat: SECONDS + 30 }),
      await claiming({ exp: SECONDS + 3600 }),
      await claiming({ nonce: 'x' }),
      await claiming({ Model: 'x', model: 'y' }),
      await claiming({ name: 'Zoë 😀', escaped: '\u2028' }),
      await sign(key, ` ${JSON.stringify(goodClaims, null, 2)}\n`),
      await claiming({ long: 'x'.repeat(7000) }),
    ]) {
      assert.equal((await identityOf(verify, token)).id, 'company:alice')
    }
  })

  it('of another issuer is judged by that one alone', async () => {
    const token = await sign(other, { ...goodClaims, iss: 'https://partner.example.com' })
    assert.equal((await identityOf(verify, token)).id, 'partner:alice')
  })

  it('is nobody else’s to judge once it looks like a JWT, and not this one’s where it does not', async () => {
    for (const text of ['eyJ.', 'ewo.x', 'eyJhbGciOiJub25lIn0.e30.'])
      assert.ok((await verify(text, '')) instanceof Problem)
    for (const text of ['sk_live_x', 'ey', 'eyJhbGciOiJub25lIn0', 'opaque.token', ''])
      assert.equal(await verify(text, ''), null)
  })

  it('that begins like a good one is verified itself', async () => {
    const fresh = await claiming({ jti: 'prefix' })
    await identityOf(verify, fresh)
    const flip = (character: string) => (character === 'A' ? 'B' : 'A')
    for (const at of [fresh.length - 200, fresh.length - 100, fresh.length - 5]) {
      const forged = fresh.slice(0, at) + flip(fresh[at] as string) + fresh.slice(at + 1)
      assert.equal(await reasonOf(verify, forged), 'token_signature')
    }
    assert.equal(await reasonOf(verify, `${fresh}AAAA`), 'token_signature')
    const otherClaims = encode({ ...goodClaims, jti: 'prefix', sub: 'root' })
    assert.equal(await reasonOf(verify, `${goodHeader}.${otherClaims}.${fresh.split('.')[2]}`), 'token_signature')
  })

  it('that is remembered ends when it says', async () => {
    let now = NOW
    const aging = makeVerifier(publish({ company: [key] }), { clock: () => now })
    await identityOf(aging, good)
    now += 629_999
    await identityOf(aging, good)
    now += 1
    assert.equal(await reasonOf(aging, good), 'token_expired')
  })

  it('is taken up to the bounds of length, depth and kid, and no further', async () => {
    const filled = (length: number) => claiming({ jti: `l${length}`, long: 'x'.repeat(length) })
    let length = 8000
    while ((await filled(length + 3)).length <= MAX_TOKEN_LENGTH) length += 3
    await identityOf(verify, await filled(length))
    assert.equal(await reasonOf(verify, await filled(length + 3)), 'token_too_long')
    const nested = (depth: number) =>
      sign(key, `{"a":${'['.repeat(depth)}${']'.repeat(depth)},${JSON.stringify(goodClaims).slice(1)}`)
    await identityOf(verify, await nested(15))
    assert.equal(await reasonOf(verify, await nested(16)), 'token_json')
    assert.equal(await reasonOf(verify, await heading({ kid: 'k'.repeat(256) })), 'token_key')
  })

  it('of which any one character is another is refused', async () => {
    for (let at = 0; at < good.length; at++) {
      const changed = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1)
      assert.notEqual((await verify(changed, ''))?.constructor, Object, `at ${at}`)
    }
  })

  it('of any text at all is refused without a defect', async () => {
    const part = fc.oneof(
      fc.constantFrom(goodHeader, goodPayload, goodSignature, ''),
      fc.json().map(text => encode(text)),
      fc
        .dictionary(fc.constantFrom('alg', 'typ', 'kid', 'crit', 'iss', 'aud', 'exp', 'sub', 'cnf'), fc.jsonValue())
        .map(encode),
      fc.string({ unit: 'binary' }),
    )
    const parts = fc
      .array(part, { minLength: 1, maxLength: 6 })
      .map(all => `ey.${all.join('.')}`.replace(/^ey\.(?=ey)/, ''))
    await fc.assert(
      fc.asyncProperty(parts, async text => {
        fc.pre(text !== good)
        const verdict = await verify(text, '')
        assert.ok(verdict === null || verdict instanceof Problem)
      }),
      { numRuns: 500 },
    )
  })

  it('in another spelling is refused, which the library would take', async () => {
    for (const spelling of [`${goodHeader}.${goodPayload}.${setUnusedBit(goodSignature)}`, `${good}==`, `${good}\n`]) {
      assert.ok(await compactVerify(spelling, key.published.key))
      assert.equal(await reasonOf(verify, spelling), 'token_shape')
    }
  })

  it('is refused by one and the same answer, whatever is wrong', async () => {
    const answers = new Set<string>()
    for (const [, token] of Object.values(attacks).flat()) {
      const { code, detail, headers, message } = (await verify(await token(), '')) as Problem
      answers.add(JSON.stringify({ code, detail, headers, message }))
    }
    assert.equal(answers.size, 1)
  })

  it('is 503, never 401, where keys cannot be had', async () => {
    const find = async () => Promise.reject(new Problem('auth.issuer_unavailable'))
    await assert.rejects(async () => makeVerifier({ find, onChange() {} })(good, ''), {
      code: 'auth.issuer_unavailable',
    })
  })
})

describe('keys', () => {
  for (const algorithm of [
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ]) {
    it(`of ${algorithm} verify what they signed, and nothing under another algorithm`, async () => {
      const own = await makeKey(algorithm)
      const all = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
      const open = makeVerifier(publish({ company: [own] }), { issuers: [makeIssuer({ algorithms: new Set(all) })] })
      const token = await sign(own)
      assert.equal((await identityOf(open, token)).id, 'company:alice')
      const [, payload, signature] = token.split('.')
      for (const alg of all.filter(name => name !== algorithm)) {
        const forged = `${encode({ alg, typ: 'at+jwt', kid: 'k1' })}.${payload}.${signature}`
        assert.equal(await reasonOf(open, forged), 'token_key')
      }
    })
  }

  it('that are too short, or on another curve than their algorithm, verify nothing', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const signed = forge({ alg: 'RS256', typ: 'at+jwt', kid: 'k1' }, input =>
      cryptoSign('sha256', Buffer.from(input), short.privateKey),
    )
    const published = {
      thumbprint: 'short',
      keyId: 'k1',
      algorithm: 'RS256',
      key: short.publicKey.toCryptoKey({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['verify']),
    }
    assert.equal(await reasonOf(makeVerifier({ find: () => [published], onChange() {} }), signed), 'token_signature')
    const p384 = await makeKey('ES384')
    const mixed = makeVerifier(
      { find: () => [{ ...p384.published, algorithm: 'ES256' }], onChange() {} },
      { issuers: [makeIssuer({ algorithms: new Set(['ES256']) })] },
    )
    assert.equal(await reasonOf(mixed, await sign({ ...(await makeKey('ES256')) })), 'token_signature')
  })

  it('of the same name are all tried', async () => {
    const twins = makeVerifier(publish({ company: [stranger, key] }))
    assert.equal((await identityOf(twins, good)).id, 'company:alice')
  })
})

describe('where another type than at+jwt is allowed', () => {
  const judge = async (claims: Claims, typ: string | undefined, otherwise: Partial<Issuer> = {}) => {
    const issuer = makeIssuer({ types: new Set(['jwt', 'at+jwt', null]), ...otherwise })
    const verdict = await makeVerifier(publish({ company: [key] }), { issuers: [issuer] })(
      await sign(key, { ...goodClaims, client_id: undefined, ...claims }, { typ }),
      '',
    )
    return verdict instanceof Problem ? verdict.reason : verdict?.id
  }

  it('takes what says scope or client, with or without a type', async () => {
    for (const claims of [{ scope: 'ai' }, { scp: ['ai'] }, { client_id: 'app' }]) {
      for (const typ of ['JWT', undefined]) assert.equal(await judge(claims, typ), 'company:alice')
    }
  })

  it('refuses ID tokens, by what only they have', async () => {
    for (const mark of [{ nonce: 'n' }, { at_hash: 'h' }, { c_hash: 'h' }, { s_hash: 'h' }, { token_use: 'id' }]) {
      assert.equal(await judge({ scope: 'openid', ...mark }, 'JWT'), 'token_id_token')
      assert.equal(await judge({ scope: 'openid', ...mark }, undefined), 'token_id_token')
    }
  })

  it('refuses what nothing says to give access', async () => {
    assert.equal(await judge({}, 'JWT'), 'token_not_access')
    assert.equal(await judge({ azp: 'app', email: 'a@example.com' }, undefined), 'token_not_access')
    assert.equal(await judge({}, 'at+jwt'), 'company:alice')
  })
})

describe('subject and client', () => {
  const who = (claims: Claims, otherwise: Partial<Issuer> = {}) =>
    sign(key, { ...goodClaims, ...claims }).then(token =>
      identityOf(makeVerifier(publish({ company: [key] }), { issuers: [makeIssuer(otherwise)] }), token),
    )

  it('of a client that is named like a person are nobody’s double (RFC 9068 §5)', async () => {
    const person = await who({ sub: 'alice', client_id: 'app' })
    const client = await who({ sub: 'alice', client_id: 'alice' })
    assert.deepEqual([person.kind, person.id], ['user', 'company:alice'])
    assert.deepEqual([client.kind, client.id], ['service', 'company/alice'])
  })

  it('are refused where the client is not listed, or not said', async () => {
    const clientIds = new Set(['app'])
    assert.equal((await who({}, { clientIds })).id, 'company:alice')
    const listed = makeVerifier(publish({ company: [key] }), { issuers: [makeIssuer({ clientIds })] })
    assert.equal(await reasonOf(listed, await claiming({ client_id: 'other' })), 'token_client')
    assert.equal(await reasonOf(listed, await sign(key, without('client_id'))), 'token_client')
  })

  it('that two claims say differently are refused', async () => {
    const issuer = makeIssuer({ preset: presets.auth0, types: new Set(['at+jwt']) })
    const two = makeVerifier(publish({ company: [key] }), { issuers: [issuer] })
    assert.equal(await reasonOf(two, await claiming({ azp: 'other' })), 'token_client')
    assert.equal((await identityOf(two, await claiming({ azp: 'app' }))).token?.client, 'app')
  })
})

describe('claims', () => {
  const grants = [
    { when: new Map([['scope', 'ai']]), scopes: ['chat:create'], roles: ['developer'], models: ['gpt-a'] },
    {
      when: new Map([['/realm/roles', 'auditor']]),
      scopes: ['models:read'],
      roles: ['auditor', 'developer'],
      models: null,
    },
    {
      when: new Map([
        ['scope', 'ai'],
        ['admin', 'true'],
      ]),
      scopes: [],
      roles: [],
      tags: {},
      models: ['gpt-b'],
    },
  ]
  const given = async (claims: Claims, otherwise: Partial<Issuer> = {}) => {
    const verifier = makeVerifier(publish({ company: [key] }), { issuers: [makeIssuer({ grants, ...otherwise })] })
    return identityOf(verifier, await claiming(claims))
  }
  const rights = async (claims: Claims) => {
    const { ceilings, roles } = await given(claims)
    const models = ['gpt-a', 'gpt-b', 'gpt-c'].filter(model => ceilings.allowsModel?.(model) ?? true)
    return [[...(ceilings.scopes ?? [])], roles, models]
  }

  it('that no rule fits give nothing', async () => {
    for (const claims of [
      {},
      { scope: 'air' },
      { scope: 'AI' },
      { scope: { ai: true } },
      { realm: { roles: [['auditor']] } },
    ]) {
      assert.deepEqual((await rights(claims)).slice(0, 2), [[], []])
    }
  })

  it('that rules fit give what those say together; one that names no models widens nothing', async () => {
    assert.deepEqual(await rights({ scope: 'mail ai' }), [['chat:create'], ['developer'], ['gpt-a']])
    assert.deepEqual(await rights({ realm: { roles: ['x', 'auditor'] } }), [
      ['models:read'],
      ['auditor', 'developer'],
      ['gpt-a', 'gpt-b', 'gpt-c'],
    ])
    assert.deepEqual(await rights({ scope: 'ai', admin: true, realm: { roles: ['auditor'] } }), [
      ['chat:create', 'models:read'],
      ['developer', 'auditor'],
      ['gpt-a', 'gpt-b'],
    ])
  })

  it('that are required must be there', async () => {
    const requiredClaims = new Map([
      ['hd', 'example.com'],
      ['/a~1b/~0c', '1'],
    ])
    const strict = makeVerifier(publish({ company: [key] }), { issuers: [makeIssuer({ requiredClaims })] })
    assert.equal(await reasonOf(strict, await claiming({ hd: 'example.com' })), 'token_required_claim')
    assert.equal(
      await reasonOf(strict, await claiming({ hd: 'example.com.evil', 'a/b': { '~c': 1 } })),
      'token_required_claim',
    )
    assert.equal(
      (await identityOf(strict, await claiming({ hd: 'example.com', 'a/b': { '~c': 1 } }))).id,
      'company:alice',
    )
  })

  it('decide the project: the first rule that fits, else the one of the issuer, else none', async () => {
    const projects = [
      { when: new Map([['team', 'a']]), project: 'proj_a', environment: 'test' as const },
      { when: new Map([['teams', 'b']]), project: 'proj_b', environment: 'live' as const },
    ]
    const place = async (claims: Claims, project: string | null) => {
      const identity = await given(claims, { projects, project })
      return [identity.project, identity.environment]
    }
    assert.deepEqual(await place({ team: 'a', teams: ['b'] }, null), ['proj_a', 'test'])
    assert.deepEqual(await place({ team: 'c', teams: ['b'] }, null), ['proj_b', 'live'])
    assert.deepEqual(await place({}, 'proj_default'), ['proj_default', 'live'])
    await assert.rejects(place({ team: 'c' }, null), /token_project/)
  })
})
