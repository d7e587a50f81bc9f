import assert from 'node:assert/strict'
import { Agent, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { CallEvent } from '#core/events.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { askAdmin, callOnce, callOver, type Line, startLoad, takeDatabaseAway } from '../support/process.ts'
import { configFor, startProvider } from '../support/provider.ts'

const REPLACED_WITHIN_MS = 10_000

async function callEvents({ ostiary }: Gateway): Promise<CallEvent[]> {
  return (await ostiary.store.events.list({ limit: 200_000, type: 'call' })) as CallEvent[]
}

test('a worker that dies takes down its own connections only, and is replaced', async t => {
  await using gateway = await startGateway({ workers: 2 })
  const { ostiary, url, testKey } = gateway
  await using load = startLoad(url, testKey, 12)
  const workerOf = await until('calls on both workers', async () => {
    const byId = new Map((await callEvents(gateway)).map(event => [event.id, event.worker]))
    const found = new Map<Line, number>()
    for (const line of load.lines) {
      const worker = line.ids.map(id => byId.get(id)).find(number => number !== undefined)
      if (worker !== undefined) found.set(line, worker)
    }
    return found.size === load.lines.length && new Set(found.values()).size === 2 ? found : undefined
  })
  const killedAt = performance.now()
  await ostiary.supervisor.workers[0]?.terminate()
  const [replaced] = await until('worker.replaced', async () => {
    const events = await ostiary.store.events.list({ limit: 10, type: 'worker.replaced' })
    return events.length > 0 && events
  })
  const dead = Number(/^worker (\d)/.exec((replaced as { detail: string }).detail)?.[1])
  const before = Date.now()
  await until(
    `a call served by the new worker ${dead}`,
    async () => {
      // The system spreads new connections over the workers that listen.
      await callOnce(url, testKey)
      return (await callEvents(gateway)).some(({ worker, at }) => worker === dead && at > before)
    },
    REPLACED_WITHIN_MS,
  )
  t.diagnostic(`served again ${(performance.now() - killedAt).toFixed()} ms after its death`)
  await load.stop()

  const broken = [...workerOf].filter(([line]) => line.errors.length > 0)
  assert.deepEqual(new Set(broken.map(([, worker]) => worker)), new Set([dead]), 'the other worker’s callers noticed')
  assert.deepEqual(Object.keys(load.statuses()), ['200'])
  assert.equal(ostiary.supervisor.workers.length, 2)
})

test('a worker that is replaced while the configuration is reloaded gets the new one', async () => {
  await using gateway = await startGateway({ workers: 2 })
  const { ostiary, url, testKey } = gateway
  for (let round = 0; round < 3; round++) {
    await ostiary.supervisor.workers[0]?.terminate()
    await until('the death to be noticed', () => ostiary.supervisor.workers.length === 1)
    let number = 0
    // Without a pause, so that the new worker becomes ready in the middle of one of them; none comes after that.
    while (ostiary.supervisor.workers.length === 1) number = (await ostiary.reload('test')).generation
    const before = Date.now()
    const seen = new Map<number, number>()
    await until('calls on both workers', async () => {
      await callOnce(url, testKey)
      for (const event of await callEvents(gateway)) {
        if (event.at > before) seen.set(event.worker, event.configGeneration)
      }
      return seen.size === 2
    })
    assert.deepEqual([...seen.values()], [number, number], `round ${round}`)
  }
})

test('without the database thread, remembered keys go on and others get 503; a new thread takes over', async t => {
  await using gateway = await startGateway({ workers: 2 })
  const { ostiary, url, testKey } = gateway
  const stranger = (
    await ostiary.keys.mint({ name: 'not seen yet', environment: 'test' }, internalActor('test'))
  ).secret.reveal()
  // Slow enough that the bound of waiting events is not met before that of trust.
  await using load = startLoad(url, testKey, 4, { headers: { 'x-ostiary-sandbox': 'latency=20' } })
  const answered = () => load.lines.reduce((sum, line) => sum + line.ids.length, 0)
  await until('calls', () => answered() > 20)

  const giveBack = await takeDatabaseAway(ostiary)
  const diedAt = performance.now()

  const refused = await ask(`${url}/v1/models`, { method: 'GET', headers: { authorization: `Bearer ${stranger}` } })
  assert.equal(refused.status, 503, refused.text)
  assert.equal(refused.headers['retry-after'], '1')
  assert.match(refused.text, /store\.unavailable/)
  const forged = await callOnce(url, `${stranger.slice(0, -1)}${stranger.endsWith('0') ? '1' : '0'}`)
  assert.equal(forged.status, 401, 'what is wrong by itself needs no store')
  const minting = await askAdmin(gateway, '/api/keys', { name: 'meanwhile' })
  assert.equal(minting.status, 503)
  const ready = await ask(`${gateway.adminUrl}/readyz`, { method: 'GET' })
  assert.equal(ready.status, 503)
  assert.ok(JSON.parse(ready.text).not_ready.includes('store'), ready.text)
  assert.deepEqual(Object.keys(load.statuses()), ['200'], 'the remembered key')

  // A revocation could not be told any more: after the bound nothing remembered is trusted.
  await until('distrust', () => load.statuses()[503] !== undefined, REVOCATION_BOUND_MS + 3000)
  const distrustedMs = performance.now() - diedAt
  t.diagnostic(`remembered keys were trusted for ${distrustedMs.toFixed()} ms`)
  // The last heartbeat was up to a second before the thread's death.
  assert.ok(distrustedMs > REVOCATION_BOUND_MS - 1200 && distrustedMs < REVOCATION_BOUND_MS + 1000)
  assert.deepEqual(load.problems(), ['store.unavailable'], 'never 401')

  giveBack()
  await until('recovery', async () => (await callOnce(url, stranger)).status === 200)
  await load.stop()
  const statuses = load.statuses()
  assert.deepEqual(Object.keys(statuses), ['200', '503'])
  assert.equal(load.lines.flatMap(({ errors }) => errors).length, 0)
  assert.equal((await askAdmin(gateway, '/api/keys', { name: 'afterwards' })).status, 201)

  // What was answered meanwhile was recorded afterwards, once.
  const ids = new Set(load.lines.flatMap(line => line.ids))
  const served = await until('the events that waited', async () => {
    const found = (await callEvents(gateway)).filter(({ id, status }) => ids.has(id) && status === 200)
    return found.length >= (statuses[200] ?? 0) && found
  })
  assert.equal(served.length, statuses[200])
  assert.equal(new Set(served.map(({ id }) => id)).size, served.length)
})

test('a database thread that dies again and again is replaced each time', async () => {
  await using gateway = await startGateway()
  const { ostiary, url, testKey } = gateway
  for (let round = 0; round < 5; round++) {
    const thread = ostiary.database.thread()
    thread?.connect().postMessage(null)
    await thread?.exited
    await until('a new thread', () => ostiary.database.thread() !== thread)
    const { secret } = await until('minting', () =>
      ostiary.keys.mint({ name: `round ${round}`, environment: 'test' }, internalActor('test')).catch(() => undefined),
    )
    assert.equal((await callOnce(url, secret.reveal())).status, 200)
    assert.equal((await callOnce(url, testKey)).status, 200)
  }
})

test('a worker that starts while the database thread is replaced gets a line to the new one', async () => {
  await using gateway = await startGateway({ workers: 2 })
  const { ostiary, url } = gateway
  await ostiary.supervisor.workers[0]?.terminate()
  await until('the death to be noticed', () => ostiary.supervisor.workers.length === 1)
  const thread = ostiary.database.thread()
  thread?.connect().postMessage(null)
  await thread?.exited
  await until('a new thread', () => ostiary.database.thread() !== thread)
  await until('a new worker', () => ostiary.supervisor.workers.length === 2)
  const served = new Set<number>()
  await until('both to serve keys that they have to ask for', async () => {
    const { secret } = await ostiary.keys.mint({ name: 'fresh', environment: 'test' }, internalActor('test'))
    const { status, id } = await callOnce(url, secret.reveal())
    const { worker } = await gateway.event(id).catch(() => ({ worker: 0 }))
    if (status === 200) served.add(worker)
    return served.size === 2
  })
})

test('a call on a kept connection goes on over the death of a worker that is not its own', async () => {
  await using gateway = await startGateway({ workers: 2 })
  const { url, testKey, ostiary } = gateway
  await using load = startLoad(url, testKey, 12, { headers: { 'x-ostiary-sandbox': 'latency=300' } })
  await until('calls in flight', () => (load.statuses()[200] ?? 0) > 12)
  const dying = ostiary.supervisor.workers[1]
  await dying?.terminate()
  await until('the replacement', () => ostiary.supervisor.workers.length === 2)
  await load.stop()
  const broken = load.lines.filter(({ errors }) => errors.length > 0)
  assert.ok(broken.length > 0 && broken.length < 12, `${broken.length} of 12 connections broke`)
  // Each broke once: the next connection was served at once, by the worker that was left.
  assert.ok(broken.every(({ errors }) => errors.length <= 2))
})

test('a caller that hangs up frees its worker of the provider’s connection at once', async t => {
  await using provider = await startProvider()
  const { yaml, env } = configFor(provider)
  // Drained at once: where nothing stops the exchange, it must not hold up the end of this test.
  await using gateway = await startGateway({ yaml, env: { ...env, OSTIARY_DRAIN_TIMEOUT_MS: '0' } })
  const key = await gateway.liveKey()
  for (const [when, answer] of [
    ['before the head', () => {}],
    [
      'in the stream',
      (res: ServerResponse) => void res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
    ],
  ] as const) {
    provider.answer = (_request, res) => answer(res)
    const agent = new Agent()
    const call = callOver(agent, gateway.url, key, { body: '{"model":"gpt","stream":true,"messages":[]}' })
    const { closed } = await until('the request', () => provider.requests.pop())
    let over = false
    void closed.then(() => {
      over = true
    })
    agent.destroy()
    await assert.rejects(call)
    const hungUp = performance.now()
    await until(`the end of the exchange ${when}`, () => over, 2000)
    t.diagnostic(`${when}: after ${(performance.now() - hungUp).toFixed()} ms`)
  }
})
