import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { ask, dial, openGateway, openProvider, readAll } from './gateway-under-test.ts'
import type { ShedReason } from './overload.ts'

const BAD = { authorization: 'Bearer wrong' }

async function setUp(t: TestContext, over: object = {}) {
  const shed: ShedReason[] = []
  const upstreamPort = await openProvider(t, (_req, res) => res.end('{}'))
  const gateway = await openGateway(t, {
    upstreamPort,
    upstream: { allowPrivateNetwork: true },
    overload: { maxFailuresPerSecond: 5, onShed: reason => shed.push(reason), ...over },
  })
  const timed = async (headers: Record<string, string>) => {
    const begun = performance.now()
    const res = await ask(gateway.port, { headers })
    const { text } = await readAll(res)
    return { status: res.statusCode, ms: performance.now() - begun, text, headers: res.headers }
  }
  return { gateway, shed, timed }
}

test('refusals beyond the budget of their source come late and unchanged; a good key never does', async t => {
  const { gateway, shed, timed } = await setUp(t)
  const first = await timed(BAD)
  assert.equal(first.status, 401)
  const [late, good] = await Promise.all([
    Promise.all(Array.from({ length: 20 }, () => timed(BAD))).then(all => all.filter(({ ms }) => ms > 900)),
    timed({}),
  ])
  assert.equal(good.status, 200)
  assert.ok(good.ms < 900, `${good.ms}`)
  assert.ok(late.length >= 14, `${late.length}`)
  for (const each of late) {
    assert.deepEqual([each.status, each.text], [401, first.text])
    assert.deepEqual(Object.keys(each.headers), Object.keys(first.headers))
  }
  assert.ok(shed.filter(reason => reason === 'late').length >= 14)
  // Each is recorded when it is refused, as what it is.
  const refused = gateway.events.filter(({ status }) => status === 401)
  assert.equal(refused.length, 21)
  assert.ok(refused.every(({ problem, reason }) => problem === 'auth.invalid_credential' && reason === 'unknown'))
})

test('no credential, a wrong one and two of them have one budget', async t => {
  const { timed } = await setUp(t)
  const kinds = [BAD, { authorization: '' }, { 'x-api-key': 'other' }] as const
  const asked = Array.from({ length: 30 }, (_, n) => timed(kinds[n % 3] ?? BAD))
  const isLate = (await Promise.all(asked)).map(({ ms }) => ms > 900)
  assert.ok(isLate.filter(Boolean).length >= 24, `${isLate}`)
  for (const kind of [0, 1, 2]) assert.ok(isLate.filter((late, n) => late && n % 3 === kind).length >= 5, `${isLate}`)
})

test('a connection that asks again before its late answer is cut', async t => {
  const { gateway, shed } = await setUp(t)
  const request = 'GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n'
  const socket = dial(gateway.port, request.repeat(50))
  let text = ''
  socket.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  await once(socket, 'close')
  assert.ok((text.match(/HTTP\/1.1 401/g) ?? []).length <= 5)
  assert.ok(shed.includes('cut'))
})

test('a failure of the gateway itself is answered at once', async t => {
  const { port } = await openGateway(t, {
    authenticator: () => {
      throw new Problem('store.unavailable')
    },
    overload: { maxFailuresPerSecond: 1 },
  })
  const begun = performance.now()
  for (let n = 0; n < 5; n++) assert.equal((await ask(port)).statusCode, 503)
  assert.ok(performance.now() - begun < 900)
})

/** Keeps the loop busy in turns, as calls do, until what is asked is true. */
async function occupy(turnMs: number, isDone: () => boolean) {
  const deadline = performance.now() + 10_000
  while (!isDone()) {
    assert.ok(performance.now() < deadline, 'waited in vain')
    const until = performance.now() + turnMs
    while (performance.now() < until);
    await new Promise(resolve => setTimeout(resolve, 0))
  }
}

test('while overloaded, nobody known is refused with 503, alike for all kinds of bad credential', async t => {
  const { gateway, timed } = await setUp(t, { maxDelayMs: 20, maxFailuresPerSecond: 1000 })
  const seen = new Map<string, Awaited<ReturnType<typeof timed>>>()
  const probes = Object.entries({ wrong: BAD, none: { authorization: '' } }).map(async ([kind, headers]) => {
    while (!seen.has(kind)) {
      const answer = await timed(headers)
      assert.ok(answer.status === 401 || answer.status === 503, `${answer.status}`)
      if (answer.status === 503) seen.set(kind, answer)
    }
  })
  await occupy(60, () => seen.size === 2)
  await Promise.all(probes)
  for (const { text, headers } of seen.values()) {
    assert.match(text, /"code":"gateway.overloaded"/)
    assert.deepEqual([headers['retry-after'], headers['x-should-retry']], ['1', 'true'])
  }
  assert.equal(seen.get('wrong')?.text, seen.get('none')?.text)
  const overloaded = gateway.events.find(({ problem }) => problem === 'gateway.overloaded')
  assert.deepEqual([overloaded?.reason, overloaded?.outcome, overloaded?.principal], ['credential', 'refused', null])
})

test('one pause is no overload', async t => {
  const { timed, shed } = await setUp(t, { maxDelayMs: 50 })
  await timed({})
  const answers = Promise.all([timed({}), timed(BAD)])
  const until = performance.now() + 300
  while (performance.now() < until);
  assert.deepEqual(
    (await answers).map(({ status }) => status),
    [200, 401],
  )
  assert.deepEqual(shed, [])
})

test('calls are counted while they run, whatever becomes of them', async t => {
  const { gateway } = await setUp(t)
  assert.equal(gateway.overload.running(), 0)
  const bodies = [{ model: 'real', messages: [] }, 'no JSON', { model: 'unknown', messages: [] }]
  for (const body of bodies) await readAll(await ask(gateway.port, { body }))
  await readAll(await ask(gateway.port, { headers: BAD }))
  assert.equal(gateway.overload.running(), 0)
})
