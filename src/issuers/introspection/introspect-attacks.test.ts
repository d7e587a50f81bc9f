import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { SOURCE_BUDGET } from './introspect.ts'
import {
  type AnswerQuestion,
  active,
  honest,
  json,
  openIntrospection,
  REFUSED,
  seconds,
  UNTOLD,
} from './introspection-under-test.ts'
import { MAX_AT_ONCE, MAX_WAITING } from './question-turns.ts'

const INACTIVE = `${REFUSED} introspection_inactive`
const OPEN = `${UNTOLD} introspection_breaker_open`
const SPENT = `${UNTOLD} introspection_source_budget`
const BUSY = `${UNTOLD} introspection_busy`

const tally = (outcomes: readonly string[]) =>
  Object.fromEntries(Object.entries(Object.groupBy(outcomes, one => one)).map(([one, all = []]) => [one, all.length]))

describe('a flood of made-up tokens', () => {
  it('is asked about as often as its source may; others are asked about all the same', async t => {
    const { ask, asked } = await openIntrospection(t, honest)
    const flood = await Promise.all(Array.from({ length: 1000 }, (_, n) => ask(`made-up-${n}`, '203.0.113.9')))
    const { amount } = SOURCE_BUDGET
    assert.deepEqual(tally(flood), { [INACTIVE]: amount, [SPENT]: 1000 - amount })
    assert.equal(asked.length, amount)
    assert.equal(await ask('good-of-another', '198.51.100.7'), 'company:good-of-another')
  })

  it('of an IPv6 network is that of one source', async t => {
    const { ask, asked } = await openIntrospection(t, honest)
    for (let n = 0; n < 150; n++) await ask(`made-up-${n}`, `2001:db8:0:1::${n.toString(16)}`)
    assert.equal(asked.length, SOURCE_BUDGET.amount)
  })

  it('leaves good tokens that are known working, whoever shows them', async t => {
    const { ask } = await openIntrospection(t, honest)
    await ask('good', '198.51.100.7')
    for (let n = 0; n < 150; n++) await ask(`made-up-${n}`, '203.0.113.9')
    assert.equal(await ask('another', '203.0.113.9'), SPENT)
    assert.equal(await ask('good', '203.0.113.9'), 'company:good')
  })

  it('keeps no token that was good from being asked about again, until it ends or is not good any more', async t => {
    const underTest = await openIntrospection(t, honest, { cacheMs: 1000, negativeCacheMs: 1 }, { cacheSize: 3 })
    const { ask } = underTest
    for (const token of ['good-0', 'good-1', 'good-2', 'good-3']) await ask(token)
    for (let n = 0; n < 150; n++) await ask(`made-up-${n}`)
    underTest.now += 1000
    assert.equal(await ask('good-0'), SPENT, 'beyond the bound')
    assert.equal(await ask('good-1'), 'company:good-1')
    underTest.answer = json({ active: false })
    assert.equal(await ask('good-2'), INACTIVE)
    underTest.now += 1000
    assert.equal(await ask('good-2'), SPENT, 'not good any more')
    underTest.answer = json({}, 500)
    assert.equal(await ask('good-3'), `${UNTOLD} introspection_status`)
    underTest.answer = honest
    assert.equal(await ask('good-3'), 'company:good-3')
    underTest.now = (active.exp + 5) * 1000
    assert.equal(await ask('good-1'), SPENT, 'at its end')
  })

  it('does not open the breaker, however odd the tokens are that the endpoint stumbles over', async t => {
    const stumbling: AnswerQuestion = (token, ...rest) =>
      (token.startsWith('odd') ? json('boom', 500) : honest)(token, ...rest)
    const { ask, told } = await openIntrospection(t, stumbling)
    for (let n = 0; n < 60; n++) await ask(`odd-${n}`, '203.0.113.9')
    assert.equal(await ask('good', '198.51.100.7'), 'company:good')
    assert.deepEqual(told, [])
  })

  it('does not open the breaker of an endpoint that rejects questions about what it does not know', async t => {
    const { ask, told } = await openIntrospection(t, (token, ...rest) =>
      (token.startsWith('good') ? honest : json('', 400))(token, ...rest),
    )
    for (let n = 0; n < 60; n++) assert.equal(await ask(`odd-${n}`, '203.0.113.9'), `${UNTOLD} introspection_rejected`)
    assert.equal(await ask('good', '198.51.100.7'), 'company:good')
    assert.deepEqual(told, [])
  })

  it('is no reason to refuse a source whose tokens are good: they cost it nothing', async t => {
    const { ask } = await openIntrospection(t, honest)
    for (let n = 0; n < 3 * SOURCE_BUDGET.amount; n++) assert.equal(await ask(`good-${n}`), `company:good-${n}`)
  })
})

/** An endpoint that answers when it is told to. */
async function openSlow(t: TestContext, timeoutMs = 20_000) {
  const held: (() => void)[] = []
  const slow: AnswerQuestion = (token, res, req, body) => held.push(() => honest(token, res, req, body))
  const underTest = await openIntrospection(t, slow, { timeoutMs })
  const until = async (what: () => boolean) => {
    while (!what()) await new Promise(resolve => setTimeout(resolve, 2))
  }
  const answerAll = () => {
    for (const answer of held.splice(0)) answer()
  }
  return { ...underTest, held, until, answerAll }
}

describe('a slow endpoint', () => {
  it('is asked a bounded number of questions at once, and others wait, a bounded number too', async t => {
    const { ask, asked, held, until, answerAll } = await openSlow(t)
    const total = MAX_AT_ONCE + MAX_WAITING + 40
    // Of many sources, each within its budget.
    const asking = Array.from({ length: total }, (_, n) => ask(`good-${n}`, `203.0.113.${n % 50}`))
    await until(() => held.length === MAX_AT_ONCE)
    await new Promise(resolve => setTimeout(resolve, 50))
    assert.equal(asked.length, MAX_AT_ONCE)
    const answering = setInterval(answerAll, 1)
    const outcomes = await Promise.all(asking)
    clearInterval(answering)
    assert.deepEqual(tally(outcomes)[BUSY], 40)
    assert.equal(asked.length, MAX_AT_ONCE + MAX_WAITING)
  })

  it('is asked about the token of another source next, though one source has it all', async t => {
    const { ask, asked, held, until, answerAll } = await openSlow(t)
    const flood = Array.from({ length: SOURCE_BUDGET.amount }, (_, n) => ask(`made-up-${n}`, '203.0.113.9'))
    await until(() => held.length === MAX_AT_ONCE)
    const good = ask('good', '198.51.100.7')
    held.shift()?.()
    await until(() => held.length === MAX_AT_ONCE)
    assert.equal(asked.at(-1), 'good')
    const answering = setInterval(answerAll, 1)
    assert.equal(await good, 'company:good')
    await Promise.all(flood)
    clearInterval(answering)
  })
})

describe('an endpoint that is down', () => {
  const down: AnswerQuestion = (_token, res: ServerResponse) => res.destroy()

  it('is not asked any more after some failures; known tokens work until they are too old', async t => {
    const underTest = await openIntrospection(t, honest, { cacheMs: 10_000 })
    const { ask, asked, told } = underTest
    await ask('good')
    underTest.answer = down
    const outcomes: string[] = []
    while (outcomes.at(-1) !== OPEN && outcomes.length < 50) outcomes.push(await ask(`token-${outcomes.length}`))
    assert.equal(outcomes.at(-1), OPEN)
    assert.deepEqual(told, ['introspection_broken'])
    asked.length = 0
    for (let n = 0; n < 100; n++) assert.equal(await ask(`later-${n}`), OPEN)
    assert.equal(asked.length, 0)
    underTest.now += 9999
    assert.equal(await ask('good'), 'company:good')
    underTest.now += 1
    assert.equal(await ask('good'), OPEN)
  })

  it('is tried again with a token that no caller has sent, and asked as before when it answers', async t => {
    const underTest = await openIntrospection(t, down)
    const { ask, asked, told } = underTest
    for (let n = 0; n < 20; n++) await ask(`token-${n}`)
    underTest.answer = honest
    asked.length = 0
    let outcome = OPEN
    while (outcome === OPEN) {
      await new Promise(resolve => setTimeout(resolve, 20))
      outcome = await ask('good')
    }
    assert.equal(outcome, 'company:good')
    const [trial, ...others] = asked
    assert.match(trial ?? '', /^[\w-]{32}$/)
    assert.deepEqual(others, ['good'])
    assert.deepEqual(told, ['introspection_broken', null])
  })

  it('that refuses the gateway’s own client is named at once, and once', async t => {
    const { ask, told } = await openIntrospection(t, json({ error: 'invalid_client' }, 401))
    assert.equal(await ask('token'), `${UNTOLD} introspection_client_refused`)
    let outcome = ''
    while (outcome !== OPEN) outcome = await ask(`t${Math.random()}`)
    for (let n = 0; n < 10; n++) await ask(`more-${n}`)
    assert.deepEqual(told, ['introspection_client_refused'])
  })

  it('that calls whatever it is asked active is not believed when it is tried', async t => {
    const { ask, told } = await openIntrospection(t, (token, ...rest) =>
      (token.startsWith('odd') ? json('boom', 500) : json(active))(token, ...rest),
    )
    let outcome = ''
    for (let n = 0; n < 50 && outcome !== OPEN; n++) outcome = await ask(`odd-${n}`)
    assert.equal(outcome, OPEN)
    assert.deepEqual(told, ['introspection_malformed'])
  })
})

describe('a JWT that was verified', () => {
  const jwt = 'eyJ.eyJ.sig'
  const jkt = 'A'.repeat(43)
  const identity = {
    id: 'company:alice',
    expiresAt: (seconds + 600) * 1000,
    binding: null,
    token: { issuer: 'company', subject: 'alice', client: 'app', tokenId: 'j1' },
  } as VerifiedIdentity

  const outcomes: Record<string, [answer: AnswerQuestion, outcome: string]> = {
    'said to be active': [json({ active: true }), 'company:alice'],
    'said to be active, with what it says itself': [json({ ...active, jti: 'j1' }), 'company:alice'],
    'not active any more': [json({ active: false }), INACTIVE],
    'mixed up with that of another subject': [json({ ...active, sub: 'bob' }), `${REFUSED} introspection_other_token`],
    'mixed up with another': [json({ ...active, jti: 'j2' }), `${REFUSED} introspection_other_token`],
    'mixed up with that of another client': [
      json({ ...active, client_id: 'x' }),
      `${REFUSED} introspection_other_token`,
    ],
    'said to be bound': [json({ active: true, cnf: { jkt } }), `${REFUSED} introspection_other_token`],
    'said to be bound to what nobody knows': [json({ active: true, cnf: {} }), `${REFUSED} introspection_other_token`],
    'said to be bound, not to what': [json({ ...active, token_type: 'DPoP' }), `${REFUSED} token_confirmation`],
    'for another audience': [json({ active: true, aud: ['x'] }), `${REFUSED} token_audience`],
    'not valid yet': [json({ active: true, nbf: seconds + 6 }), `${REFUSED} token_not_yet_valid`],
    'valid from who knows when': [json({ active: true, nbf: 'now' }), `${REFUSED} token_not_yet_valid`],
    'at its end': [json({ active: true, exp: seconds - 6 }), `${REFUSED} token_expired`],
    'of another issuer': [json({ active: true, iss: 'https://x' }), `${REFUSED} introspection_issuer`],
    'not to be told about': [json({}, 500), `${UNTOLD} introspection_status`],
  }
  for (const [name, [answer, outcome]] of Object.entries(outcomes)) {
    it(`and is asked about always: ${name}`, async t => {
      const { introspector, asked } = await openIntrospection(t, answer, { always: true, tokenPrefix: null })
      const verdict = await introspector.confirm(identity, jwt, '192.0.2.1')
      assert.equal(verdict instanceof Problem ? `${verdict.code} ${verdict.reason}` : verdict.id, outcome)
      await introspector.confirm(identity, jwt, '192.0.2.1')
      assert.equal(asked.length, outcome.startsWith(UNTOLD) ? 2 : 1)
    })
  }

  it('and is bound must not be said to be bound to another key', async t => {
    const bound: VerifiedIdentity = { ...identity, binding: { kind: 'dpop', thumbprint: jkt } }
    for (const [thumbprint, isTaken] of [
      [jkt, true],
      ['B'.repeat(43), false],
    ] as const) {
      const answer = json({ active: true, token_type: 'DPoP', cnf: { jkt: thumbprint } })
      const { introspector } = await openIntrospection(t, answer, { always: true })
      assert.equal((await introspector.confirm(bound, jwt, '192.0.2.1')) === bound, isTaken)
    }
  })

  it('is asked about again when what was said of it ends, though it ends later itself', async t => {
    const underTest = await openIntrospection(t, json({ active: true, exp: seconds + 10 }), { always: true })
    const confirm = () => underTest.introspector.confirm(identity, jwt, '192.0.2.1')
    await confirm()
    underTest.now += 14_999
    assert.equal(await confirm(), identity)
    assert.equal(underTest.asked.length, 1)
    underTest.now += 1
    assert.equal(((await confirm()) as Problem).reason, 'token_expired')
  })

  it('is asked about whatever others of its source have asked', async t => {
    const { introspector, ask } = await openIntrospection(
      t,
      (token, ...rest) => (token === jwt ? json({ active: true }) : honest)(token, ...rest),
      { always: true },
    )
    for (let n = 0; n < 150; n++) await ask(`made-up-${n}`)
    assert.equal(await ask('another'), SPENT)
    assert.equal(await introspector.confirm(identity, jwt, '192.0.2.1'), identity)
  })

  it('is not asked about unless its issuer is to be', async t => {
    const { introspector, asked } = await openIntrospection(t, json({ active: false }))
    assert.equal(introspector.confirm(identity, jwt, '192.0.2.1'), identity)
    const other = { ...identity, token: { ...identity.token, issuer: 'other' } } as VerifiedIdentity
    assert.equal(introspector.confirm(other, jwt, '192.0.2.1'), other)
    assert.deepEqual(asked, [])
  })
})
