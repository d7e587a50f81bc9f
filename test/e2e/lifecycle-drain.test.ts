import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createRecorder } from '#audit/recorder.ts'
import { EMPTY_CHAIN } from '#core/audit-chain.ts'
import type { CallEvent, OstiaryEvent } from '#core/events.ts'
import { Problem } from '#core/problems.ts'
import { until } from '../support/gateway.ts'
import { callOver, createDeployment, type Deployment, startLoad, startProcess } from '../support/process.ts'

const WRAPPER = resolve(import.meta.dirname, '../../scripts/run.mjs')

interface Stream {
  readonly id: string
  text(): string
  /** Resolves when it is over; true = it came to its end. */
  readonly closed: Promise<boolean>
}

/** A stream of the sandbox of so many pieces, after the first of them has arrived. */
async function openStream(url: string, key: string, chunks: number, delay: number): Promise<Stream> {
  const req = request(`${url}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'x-ostiary-sandbox': `chunks=${chunks}, delay=${delay}`,
    },
  })
  req.end('{"model":"sandbox","stream":true,"messages":[{"role":"user","content":"Hello"}]}')
  const [res] = (await once(req, 'response')) as [IncomingMessage]
  let text = ''
  res.setEncoding('utf8').on('data', chunk => (text += chunk))
  res.on('error', () => {})
  const closed = new Promise<boolean>(resolve => res.on('close', () => resolve(res.complete)))
  await until('the first event', () => text.includes('data: '))
  return { id: String(res.headers['x-request-id']), text: () => text, closed }
}

function eventsOf({ dataDirectory }: Deployment): OstiaryEvent[] {
  using database = new DatabaseSync(join(dataDirectory, 'ostiary.db'), { readOnly: true })
  return database
    .prepare(
      `select data from (select 1 as kind, seq, data from audit_decisions union all select 2, seq, data from audit_changes)
       order by kind, seq`,
    )
    .all()
    .flatMap(row => String(row.data).split('\n'))
    .map(line => JSON.parse(line))
}

function isRefused(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => socket.destroy())
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
    socket.on('close', () => resolve(false))
  })
}

const callsOf = (events: readonly OstiaryEvent[]) => events.filter(event => event.type === 'call')

test('SIGTERM lets a stream end, closes idle connections, writes every event and exits with 0', async () => {
  using deployment = createDeployment()
  await using gateway = await startProcess(deployment, { env: { OSTIARY_WORKERS: '2' } })
  const { url, testKey } = gateway
  const ids: string[] = []
  {
    await using load = startLoad(url, testKey, 4)
    await until('calls', () => (load.statuses()[200] ?? 0) > 300)
    await load.stop()
    ids.push(...load.lines.flatMap(line => line.ids))
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  ids.push((await callOver(agent, url, testKey)).id)
  const [idle] = Object.values(agent.freeSockets)[0] ?? []
  assert.ok(idle !== undefined, 'the connection is kept')
  const idleClosed = once(idle, 'close')

  const stream = await openStream(url, testKey, 60, 50)
  ids.push(stream.id)
  gateway.kill('SIGTERM')
  await idleClosed
  // Each worker closes its own listener, one a little before the other.
  await until('nobody listens', () => isRefused(Number(new URL(url).port)))
  assert.doesNotMatch(stream.text(), /\[DONE\]/, 'the stream goes on meanwhile')
  assert.equal(await stream.closed, true)
  assert.match(stream.text(), /data: \[DONE\]\n\n$/)
  const endedAt = performance.now()
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  assert.ok(performance.now() - endedAt < 3000, 'it waits for nothing else')
  agent.destroy()

  const events = eventsOf(deployment)
  const calls = callsOf(events)
  assert.deepEqual(calls.map(({ id }) => id).sort(), ids.sort())
  assert.equal(calls.find(({ id }) => id === stream.id)?.outcome, 'completed')
  assert.equal(events.at(-1)?.type, 'gateway.stopped')
  assert.match(gateway.stdout(), /Stopping: running calls may end/)
  assert.doesNotMatch(gateway.stderr(), /"level":50/)
})

test('a second SIGTERM does not cut what the first one lets end', async () => {
  using deployment = createDeployment()
  await using gateway = await startProcess(deployment)
  const stream = await openStream(gateway.url, gateway.testKey, 20, 50)
  gateway.kill('SIGTERM')
  await until('the drain', () => gateway.stdout().includes('Stopping'))
  gateway.kill('SIGTERM')
  gateway.kill('SIGINT')
  assert.equal(await stream.closed, true)
  assert.match(stream.text(), /data: \[DONE\]\n\n$/)
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('a stream that lasts longer than drainTimeoutMs is cut, and recorded', async () => {
  using deployment = createDeployment('{}\n', { OSTIARY_DRAIN_TIMEOUT_MS: '700' })
  await using gateway = await startProcess(deployment)
  const stream = await openStream(gateway.url, gateway.testKey, 1000, 100)
  const asked = performance.now()
  gateway.kill('SIGTERM')
  assert.equal(await stream.closed, false)
  const cutMs = performance.now() - asked
  assert.ok(cutMs > 600 && cutMs < 3000, `cut after ${cutMs} ms`)
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  const event = callsOf(eventsOf(deployment)).find(({ id }) => id === stream.id)
  assert.ok(event !== undefined && event.bytesOut > 0 && event.status === 200)
  assert.deepEqual([event.outcome, event.problem], ['failed', 'gateway.stopped'])
})

test('a signal during the start stops the gateway as soon as it has started', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    using deployment = createDeployment()
    await using gateway = await startProcess(deployment, {
      run: ['--import', signalEarly(signal), resolve(import.meta.dirname, '../../src/main.ts'), 'start'],
    })
    assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  }
})

test('a hang-up signal during the start does not end the gateway', async () => {
  using deployment = createDeployment()
  await using gateway = await startProcess(deployment, {
    run: ['--import', signalEarly('SIGHUP'), resolve(import.meta.dirname, '../../src/main.ts'), 'start'],
  })
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

/** A module that sends the signal once the program listens to SIGTERM, which it does before it begins to start. */
function signalEarly(signal: NodeJS.Signals): string {
  const code = `process.on('newListener', function once(name) {
    if (name !== 'SIGTERM' || !require('node:worker_threads').isMainThread) return
    process.off('newListener', once)
    setImmediate(() => process.kill(process.pid, '${signal}'))
  })`
  const module = `import { createRequire } from 'node:module'\nconst require = createRequire('/')\n${code}`
  return `data:text/javascript,${encodeURIComponent(module)}`
}

test('npm start’s wrapper passes SIGTERM on and ends with the gateway’s exit code', async () => {
  using deployment = createDeployment()
  await using gateway = await startProcess(deployment, { run: [WRAPPER, 'start'] })
  const stream = await openStream(gateway.url, gateway.testKey, 10, 50)
  gateway.kill('SIGTERM')
  assert.equal(await stream.closed, true)
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('Ctrl-C in a terminal, which reaches the wrapper and the gateway, lets calls end', {
  skip: process.platform === 'win32' && 'Windows has no process groups',
}, async () => {
  using deployment = createDeployment()
  await using gateway = await startProcess(deployment, { run: [WRAPPER, 'start'], detached: true })
  const stream = await openStream(gateway.url, gateway.testKey, 10, 50)
  process.kill(-gateway.pid, 'SIGINT')
  // The terminal's own and the one that the wrapper passes on: the later must do no harm.
  await until('the drain', () => gateway.stdout().includes('Stopping'))
  assert.equal(await stream.closed, true)
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
})

test('calls over kept connections meet no broken answer while the gateway drains', async () => {
  using deployment = createDeployment()
  await using gateway = await startProcess(deployment)
  await using load = startLoad(gateway.url, gateway.testKey, 6)
  await until('calls', () => (load.statuses()[200] ?? 0) > 100)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.exited, { code: 0, signal: null })
  await load.stop()
  const ids = new Set(callsOf(eventsOf(deployment)).map(({ id }) => id))
  assert.deepEqual(
    load.lines.flatMap(line => line.ids).filter(id => !ids.has(id)),
    [],
    'answered but not recorded',
  )
  assert.deepEqual(Object.keys(load.statuses()), ['200'])
  const broken = load.lines.flatMap(({ errors }) => errors).filter(error => error.message === 'the answer broke off')
  assert.deepEqual(broken, [])
})

test('a recorder that stops while it waits to try again writes nothing twice', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const written: string[] = []
  let works = false
  const gates: (() => void)[] = []
  const recorder = createRecorder({
    events: {
      head: async () => EMPTY_CHAIN,
      async append(row) {
        if (!works) throw new Problem('store.unavailable')
        await new Promise<void>(resolve => gates.push(resolve))
        written.push(...row.data.split('\n').map(line => JSON.parse(line).id))
        return row
      },
    },
    worker: 1,
    clock: () => 0,
    mode: 'batched',
    onTrouble: () => {},
  })
  const ids = Array.from({ length: 1000 }, (_, n) => `req_${n}`)
  for (const id of ids) recorder.record({ id, type: 'call', principal: {}, problem: null } as unknown as CallEvent)
  await turn()
  works = true
  let over = false
  const stopped = recorder[Symbol.asyncDispose]().then(() => {
    over = true
  })
  await turn()
  t.mock.timers.tick(1000)
  while (!over) {
    for (const open of gates.splice(0)) open()
    await turn()
  }
  await stopped
  // Compared as one text: a difference of thousand lines says no more.
  assert.equal(written.length, ids.length)
  assert.ok(written.join() === ids.join(), 'in order, each once')
})

const turn = () => new Promise<void>(resolve => setImmediate(resolve))
