import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generateKeyPair } from 'jose'
import { Problem } from '#core/problems.ts'
import { active, issuer, json, openIntrospection, openSigner, seconds, UNTOLD } from './introspection-under-test.ts'

const TYPE = 'application/token-introspection+jwt'
const { keys, sign } = await openSigner()
const stranger = await generateKeyPair('ES256')

/** What comes of an answer of this text. */
async function judge(t: Parameters<typeof openIntrospection>[0], text: string, type = TYPE) {
  const { ask } = await openIntrospection(t, json(text, 200, type), { signed: true }, { keys })
  return ask('token')
}

const unsecured = `${Buffer.from('{"alg":"none","typ":"token-introspection+jwt"}').toString('base64url')}.${Buffer.from(
  JSON.stringify({ iss: issuer.issuer, aud: 'gateway', iat: seconds, token_introspection: active }),
).toString('base64url')}.`

const refused: Record<string, [text: string, reason: string]> = {
  'no signature at all': [JSON.stringify(active), 'unsigned'],
  'alg none': [unsecured, 'unsigned'],
  'alg none with something in place of a signature': [`${unsecured}AA`, 'signature'],
  'a stranger’s key': [await sign(active, {}, {}, stranger.privateKey), 'signature'],
  'an unknown key': [await sign(active, {}, { kid: 'k2' }), 'signature'],
  'a key of its own that it brings along': [
    await sign(active, {}, { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, kid: 'k2' }),
    'signature',
  ],
  'an access token': [await sign(active, {}, { typ: 'at+jwt' }), 'signed_type'],
  'no type': [await sign(active, {}, { typ: undefined as never }), 'signed_type'],
  'plain JWT': [await sign(active, {}, { typ: 'JWT' }), 'signed_type'],
  'another issuer': [await sign(active, { iss: 'https://evil.example.com' }), 'signed_issuer'],
  'no issuer': [await sign(active, { iss: undefined }), 'signed_issuer'],
  'another client': [await sign(active, { aud: 'other' }), 'signed_audience'],
  'no client': [await sign(active, { aud: undefined }), 'signed_audience'],
  'old, kept by somebody': [await sign(active, { iat: seconds - 66 }), 'signed_time'],
  'from the future': [await sign(active, { iat: seconds + 66 }), 'signed_time'],
  'without a time': [await sign(active, { iat: undefined }), 'signed_time'],
  'claims beside, not inside': [await sign(undefined, { ...active, aud: 'gateway', iat: seconds }), 'malformed'],
  'a list inside': [await sign([active]), 'malformed'],
  'a text inside': [await sign(JSON.stringify(active)), 'malformed'],
  '"active" as a text': [await sign({ ...active, active: 'true' }), 'malformed'],
}

describe('a signed answer', () => {
  it('is taken where it is as RFC 9701 says', async t => {
    const requests: (string | undefined)[] = []
    const good = await sign(active, { aud: ['other', 'gateway'] }, { typ: 'Application/Token-Introspection+JWT' })
    const { ask } = await openIntrospection(
      t,
      (token, res, req, body) => {
        requests.push(req.headers.accept)
        json(good, 200, TYPE)(token, res, req, body)
      },
      { signed: true },
      { keys },
    )
    assert.equal(await ask('token'), 'company:alice')
    assert.deepEqual(requests, [TYPE])
  })

  it('may name the gateway by the audience of its tokens', async t => {
    assert.equal(await judge(t, await sign(active, { aud: 'other-api' })), 'company:alice')
  })

  it('says of a token that it is not active too', async t => {
    assert.equal(await judge(t, await sign({ active: false })), 'auth.invalid_credential introspection_inactive')
  })

  for (const [name, [text, reason]] of Object.entries(refused)) {
    it(`does not tell: ${name}`, async t => {
      assert.equal(await judge(t, text), `${UNTOLD} introspection_${reason}`)
    })
  }

  it('is not told by an unsigned one, nor by one under another media type', async t => {
    assert.equal(await judge(t, JSON.stringify(active), 'application/json'), `${UNTOLD} introspection_unsigned`)
    assert.equal(await judge(t, await sign(active), 'application/jwt'), `${UNTOLD} introspection_unsigned`)
  })

  it('does not tell while the issuer’s keys cannot be had', async t => {
    const away = {
      find: () => Promise.reject(new Problem('auth.issuer_unavailable', { reason: 'keys_unavailable' })),
      onChange() {},
    }
    const { ask } = await openIntrospection(t, json(await sign(active), 200, TYPE), { signed: true }, { keys: away })
    assert.equal(await ask('token'), `${UNTOLD} keys_unavailable`)
  })
})
