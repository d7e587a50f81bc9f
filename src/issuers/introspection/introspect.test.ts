import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import { makeIssuer } from '#issuers/issuer-under-test.ts'
import { presets } from '#issuers/presets.ts'
import { MAX_TOKEN_LENGTH } from '#issuers/read-token.ts'
import {
  type AnswerQuestion,
  active,
  honest,
  issuer,
  json,
  NOW,
  openIntrospection,
  REFUSED,
  seconds,
  UNTOLD,
} from './introspection-under-test.ts'

describe('who is asked', () => {
  it('is the endpoint, for what is neither a JWT nor a key nor a token at all', async t => {
    const { ask, asked } = await openIntrospection(t, honest)
    const tokens = [
      'acme_live_cut-off',
      'eyJ.x',
      'a b',
      'ümlaut',
      'a=b',
      '',
      'good\n',
      'x'.repeat(MAX_TOKEN_LENGTH + 1),
    ]
    for (const token of tokens) assert.equal(await ask(token), 'not mine', token.slice(0, 20))
    assert.deepEqual(asked, [])
    for (const token of ['good-a._~+/==', `good${'x'.repeat(MAX_TOKEN_LENGTH - 4)}`, 'eyJwithout-dot']) {
      assert.notEqual(await ask(token), 'not mine')
    }
    assert.equal(asked.length, 3)
  })

  it('is the issuer whose tokens begin like it', async t => {
    const { ask, asked } = await openIntrospection(t, honest, { tokenPrefix: 'good_' })
    assert.equal(await ask('good_1'), 'company:good_1')
    assert.equal(await ask('goo'), 'not mine')
    const none = await openIntrospection(t, honest, { tokenPrefix: null })
    assert.equal(await none.ask('good_1'), 'not mine')
    assert.deepEqual(asked, ['good_1'])
  })

  it('is told no secret of others, whatever it is cut down to', async t => {
    const { ask, asked } = await openIntrospection(t, honest)
    const secrets = [
      'so_x',
      'sk-proj-x',
      'sk-',
      'sk_x',
      'AIzaSyx',
      'xai-x',
      'gsk_x',
      'hf_x',
      'nvapi-x',
      'pplx-x',
      'ghp_x',
    ]
    secrets.push('gho_x', 'ghu_x', 'ghs_x', 'ghr_x', 'github_pat_x', 'glpat-x', 'AKIAX', 'ASIAX')
    for (const secret of secrets) assert.equal(await ask(secret), 'not mine', secret)
    assert.deepEqual(asked, [])
    for (const token of ['SK-x', 'skx', 'good-sk-x', 'so-x']) assert.notEqual(await ask(token), 'not mine', token)
  })

  it('is told what begins like a secret of others where the issuer says that its tokens begin so', async t => {
    const underTest = await openIntrospection(t, json(active), { tokenPrefix: 'sk-corp-' })
    assert.equal(await underTest.ask('sk-corp-1'), 'company:alice')
    const wider = await openIntrospection(t, json(active), { tokenPrefix: 's' })
    assert.equal(await wider.ask('sk-corp-1'), 'not mine')
    assert.equal(await wider.ask('secret'), 'company:alice')
  })

  it('is told who asks, in the header or in the body', async t => {
    const requests: [string | undefined, string][] = []
    const note: AnswerQuestion = (token, res, req, body) => {
      requests.push([req.headers.authorization, body])
      honest(token, res, req, body)
    }
    const secret = { clientId: 'a:b c', clientSecret: new Secret('x+y%&') }
    await (await openIntrospection(t, note, secret)).ask('good1')
    await (await openIntrospection(t, note, { ...secret, authentication: 'client_secret_post' })).ask('good2')
    assert.deepEqual(requests, [
      [`Basic ${Buffer.from('a%3Ab+c:x%2By%25%26').toString('base64')}`, 'token=good1&token_type_hint=access_token'],
      [undefined, 'token=good2&token_type_hint=access_token&client_id=a%3Ab+c&client_secret=x%2By%25%26'],
    ])
  })

  it('is asked with the secret before, while a rotation lasts', async t => {
    const basic = (secret: string) => `Basic ${Buffer.from(`gateway:${secret}`).toString('base64')}`
    const knowsOld: AnswerQuestion = (token, res, req, body) =>
      req.headers.authorization === basic('old') ? honest(token, res, req, body) : json({}, 401)(token, res, req, body)
    const previousSecret = { secret: new Secret('old'), until: NOW + 1000 }
    const underTest = await openIntrospection(t, knowsOld, { previousSecret })
    assert.equal(await underTest.ask('good1'), 'company:good1')
    underTest.now = NOW + 1000
    assert.equal(await underTest.ask('good2'), `${UNTOLD} introspection_client_refused`)
  })
})

const inAnswer = (members: object): AnswerQuestion => json({ ...active, ...members })
const raw =
  (talk: (res: Parameters<AnswerQuestion>[1]) => void): AnswerQuestion =>
  (_token, res) =>
    talk(res)

const outcomes: Record<string, [AnswerQuestion, string]> = {
  'a good token': [json(active), 'company:alice'],
  'one for several audiences': [inAnswer({ aud: ['x', 'other-api'] }), 'company:alice'],
  'one whose issuer is not said': [inAnswer({ iss: undefined }), 'company:alice'],
  'one of which it is not said when it was issued (RFC 7662 §2.2)': [inAnswer({ iat: undefined }), 'company:alice'],
  'one whose type is not said': [inAnswer({ token_type: undefined }), 'company:alice'],
  'JSON with a character set': [json(active, 200, 'Application/JSON; charset=utf-8'), 'company:alice'],
  'not active': [json({ active: false }), `${REFUSED} introspection_inactive`],
  'not active, whatever else it says': [inAnswer({ active: false }), `${REFUSED} introspection_inactive`],
  'another issuer': [inAnswer({ iss: 'https://id.example.com/' }), `${REFUSED} introspection_issuer`],
  'an issuer that is no text': [inAnswer({ iss: ['https://id.example.com'] }), `${REFUSED} introspection_issuer`],
  'no audience': [inAnswer({ aud: undefined }), `${REFUSED} token_audience`],
  'another audience': [inAnswer({ aud: ['x', 'api2'] }), `${REFUSED} token_audience`],
  'an end in the past': [inAnswer({ exp: seconds - 6 }), `${REFUSED} token_expired`],
  'an end that is a text': [inAnswer({ exp: String(seconds + 60) }), `${REFUSED} token_time`],
  'no end': [inAnswer({ exp: undefined }), `${REFUSED} token_no_expiry`],
  'a beginning in the future': [inAnswer({ nbf: seconds + 60 }), `${REFUSED} token_not_yet_valid`],
  'too long a life': [inAnswer({ exp: seconds + 86_500 }), `${REFUSED} token_lifetime`],
  'a refresh token': [inAnswer({ token_type: 'refresh_token' }), `${REFUSED} introspection_token_type`],
  'a token of another use': [inAnswer({ token_use: 'refresh_token' }), `${REFUSED} introspection_token_type`],
  'an ID token under the type of a bearer': [inAnswer({ token_use: 'id' }), `${REFUSED} introspection_token_type`],
  'an access token, said so': [inAnswer({ token_type: 'access_token', token_use: 'access_token' }), 'company:alice'],
  'a type that is no text': [inAnswer({ token_type: ['Bearer'] }), `${REFUSED} introspection_token_type`],
  'nobody but a client': [inAnswer({ sub: undefined }), 'company/app'],
  'a person without a subject': [inAnswer({ sub: undefined, username: 'alice' }), `${REFUSED} token_subject`],
  'neither a subject nor a client': [inAnswer({ sub: undefined, client_id: undefined }), `${REFUSED} token_subject`],
  'an ID token': [inAnswer({ token_type: undefined, nonce: 'n' }), `${REFUSED} token_id_token`],
  'a binding of unknown kind': [inAnswer({ cnf: { jwk: {} } }), `${REFUSED} token_confirmation`],
  'DPoP, but bound to no key': [inAnswer({ token_type: 'dPoP' }), `${REFUSED} token_confirmation`],
  'DPoP, but bound to a certificate': [
    inAnswer({ token_type: 'DPoP', cnf: { 'x5t#S256': 'A'.repeat(43) } }),
    `${REFUSED} token_confirmation`,
  ],
  '"active" as a text': [inAnswer({ active: 'true' }), `${UNTOLD} introspection_malformed`],
  'active as a number': [inAnswer({ active: 1 }), `${UNTOLD} introspection_malformed`],
  'no word of active': [inAnswer({ active: undefined }), `${UNTOLD} introspection_malformed`],
  'active twice': [json('{"active":true,"active":false}'), `${UNTOLD} introspection_malformed`],
  'a list': [json([active]), `${UNTOLD} introspection_malformed`],
  null: [json('null'), `${UNTOLD} introspection_malformed`],
  nothing: [json(''), `${UNTOLD} introspection_malformed`],
  garbage: [json('\u0000\u0001{'), `${UNTOLD} introspection_malformed`],
  'half an answer': [json(JSON.stringify(active).slice(0, -5)), `${UNTOLD} introspection_malformed`],
  'a page': [json('<html>log in</html>', 200, 'text/html'), `${UNTOLD} introspection_malformed`],
  'JSON as a page': [json(active, 200, 'text/html'), `${UNTOLD} introspection_malformed`],
  'deep nesting': [json(`{"active":true,"x":${'['.repeat(99)}${']'.repeat(99)}}`), `${UNTOLD} introspection_malformed`],
  'a signed answer that was not asked for': [
    json('eyJ.e30.x', 200, 'application/token-introspection+jwt'),
    `${UNTOLD} introspection_malformed`,
  ],
  huge: [json(`{"active":true,"x":"${'x'.repeat(70_000)}"}`), `${UNTOLD} introspection_too_large`],
  'without end': [
    raw(res => {
      res.writeHead(200, { 'content-type': 'application/json' })
      const more = () => res.destroyed || (res.write(' '.repeat(9000)) ? setImmediate(more) : res.once('drain', more))
      more()
    }),
    `${UNTOLD} introspection_too_large`,
  ],
  '500': [json(active, 500), `${UNTOLD} introspection_status`],
  '429': [json({}, 429), `${UNTOLD} introspection_status`],
  '404': [json({ active: false }, 404), `${UNTOLD} introspection_status`],
  '201': [json(active, 201), `${UNTOLD} introspection_status`],
  '204': [raw(res => res.writeHead(204).end()), `${UNTOLD} introspection_status`],
  '401': [json({ error: 'invalid_client' }, 401), `${UNTOLD} introspection_client_refused`],
  '400 for the client': [json({ error: 'invalid_client' }, 400), `${UNTOLD} introspection_client_refused`],
  '400 for the question': [json({ error: 'unsupported_token_type' }, 400), `${UNTOLD} introspection_rejected`],
  '400 for who knows what': [json('', 400), `${UNTOLD} introspection_rejected`],
  '403': [json({ active: false }, 403), `${UNTOLD} introspection_client_refused`],
  'a redirect': [raw(res => res.writeHead(307, { location: '/elsewhere' }).end()), `${UNTOLD} introspection_redirect`],
  'cut off': [
    raw(res => {
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 500 })
      res.write('{"active":true', () => res.destroy())
    }),
    `${UNTOLD} introspection_broken`,
  ],
  'not HTTP': [raw(res => void res.socket?.end('hello\r\n\r\n')), `${UNTOLD} introspection_broken`],
  'no answer': [raw(() => {}), `${UNTOLD} introspection_timeout`],
  'a head and no more': [
    raw(res => void res.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()),
    `${UNTOLD} introspection_timeout`,
  ],
  'drops, one by one': [
    raw(res => {
      res.writeHead(200, { 'content-type': 'application/json' })
      const drip = setInterval(() => res.write(' '), 20)
      res.on('close', () => clearInterval(drip))
    }),
    `${UNTOLD} introspection_timeout`,
  ],
}

describe('what the endpoint answers decides', () => {
  for (const [name, [answer, outcome]] of Object.entries(outcomes)) {
    it(`${name}: ${outcome}`, async t => {
      const { ask } = await openIntrospection(t, answer, { timeoutMs: outcome.endsWith('timeout') ? 200 : 5000 })
      assert.equal(await ask('token'), outcome)
    })
  }

  it('nobody there: not to be told', async t => {
    const underTest = await openIntrospection(t, honest, {
      send: (_request, sink) => {
        queueMicrotask(() => sink.onError(new Problem('upstream.unreachable', { reason: 'ECONNREFUSED' })))
        return { resume() {}, abort() {} }
      },
    })
    assert.equal(await underTest.ask('good'), `${UNTOLD} introspection_unreachable`)
  })

  it('tells people of Keycloak from its service accounts, though both have a client', async t => {
    const keycloak = makeIssuer({ ...issuer, preset: presets.keycloak, claims: presets.keycloak.claims })
    const of = async (members: object) => {
      const answer = inAnswer({ sub: 'x', typ: 'Bearer', azp: 'app', client_id: 'app', ...members })
      return (await openIntrospection(t, answer, { issuer: keycloak })).ask('token')
    }
    assert.equal(await of({ username: 'alice', preferred_username: 'service-account-app' }), 'company:x')
    assert.equal(await of({ username: 'service-account-app', clientHost: '192.0.2.1' }), 'company/x')
    assert.equal(await of({ username: 'service-account-app', clientAddress: '192.0.2.1' }), 'company/x')
  })

  it('gives scopes, roles and a binding as of a JWT', async t => {
    const jkt = 'A'.repeat(43)
    const { introspector } = await openIntrospection(t, inAnswer({ token_type: 'DPoP', cnf: { jkt }, jti: 'j1' }))
    const identity = await introspector.introspect('token', '192.0.2.1')
    assert.ok(identity !== null && !(identity instanceof Problem))
    assert.deepEqual([...(identity.ceilings.scopes ?? [])], ['chat:create'])
    assert.deepEqual(identity.roles, ['developer'])
    assert.deepEqual(identity.binding, { kind: 'dpop', thumbprint: jkt })
    assert.equal(identity.token?.tokenId, 'j1')
    assert.equal(identity.expiresAt, active.exp * 1000 + 5000)
  })
})

describe('what was told is remembered', () => {
  it('until it is too old, whichever it was', async t => {
    const underTest = await openIntrospection(t, honest, { cacheMs: 10_000, negativeCacheMs: 2000 })
    const { ask, asked } = underTest
    const both = async () => [await ask('good'), await ask('bad')]
    const verdicts = ['company:good', `${REFUSED} introspection_inactive`]
    assert.deepEqual(await both(), verdicts)
    underTest.now += 1999
    assert.deepEqual(await both(), verdicts)
    assert.deepEqual(asked.splice(0), ['good', 'bad'])
    underTest.now += 1
    assert.deepEqual(await both(), verdicts)
    assert.deepEqual(asked.splice(0), ['bad'])
    underTest.now += 8000
    await both()
    assert.deepEqual(asked, ['good', 'bad'])
  })

  it('never beyond the token’s own end', async t => {
    const underTest = await openIntrospection(t, inAnswer({ exp: seconds + 10 }), { cacheMs: 3_600_000 })
    await underTest.ask('token')
    underTest.now += 14_999
    assert.equal(await underTest.ask('token'), 'company:alice')
    underTest.now += 1
    assert.equal(await underTest.ask('token'), `${REFUSED} token_expired`)
    assert.equal(underTest.asked.length, 2)
  })

  it('not at all if so configured, and never if it was not told', async t => {
    const underTest = await openIntrospection(t, honest, { cacheMs: 0, negativeCacheMs: 0 })
    for (const token of ['good', 'good', 'bad', 'bad']) await underTest.ask(token)
    assert.equal(underTest.asked.length, 4)
    const failing = await openIntrospection(t, json({}, 500))
    await failing.ask('good')
    failing.answer = honest
    assert.equal(await failing.ask('good'), 'company:good')
  })

  it('by the whole token', async t => {
    const { ask } = await openIntrospection(t, honest)
    const long = `good${'x'.repeat(1000)}`
    assert.equal(await ask(long), `${REFUSED} token_subject`)
    assert.equal(await ask('good-1'), 'company:good-1')
    assert.equal(await ask('good-2'), 'company:good-2')
    assert.equal(await ask('GOOD-1'), `${REFUSED} introspection_inactive`)
  })

  it('of a bounded number: refusals push out no good token', async t => {
    const underTest = await openIntrospection(t, honest, {}, { cacheSize: 2 })
    for (const token of ['good1', 'good2', 'good3', 'bad1', 'bad2', 'bad3']) await underTest.ask(token)
    underTest.asked.length = 0
    for (const token of ['good2', 'good3', 'bad1', 'good1']) await underTest.ask(token)
    assert.deepEqual(underTest.asked, ['good1'])
  })

  it('is asked for once, however many wait for it', async t => {
    const { ask, asked } = await openIntrospection(t, honest)
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => ask('good')))
    assert.deepEqual(new Set(verdicts), new Set(['company:good']))
    assert.deepEqual(asked, ['good'])
  })
})
