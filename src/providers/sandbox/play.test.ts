import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { ReplySink } from '#core/exchange.ts'
import { play } from './play.ts'
import { jsonScript, type Script, streamScript } from './script.ts'

const noDelay = { latencyMs: 0, chunkDelayMs: 0 }

/** Notes every call; `accept` answers `onData`. */
function recorder(accept: () => boolean = () => true) {
  const calls: string[] = []
  const sink: ReplySink = {
    onHead: status => void calls.push(`head ${status}`),
    onData: chunk => {
      calls.push(chunk.toString())
      return accept()
    },
    onEnd: () => void calls.push('end'),
    onError: error => void calls.push(`error ${error.message}`),
  }
  return { calls, sink }
}

function counted(count: number, size = 1): Script & { made: () => number } {
  let made = 0
  function* parts() {
    while (made < count) yield String(made++).padEnd(size, '.')
  }
  return { ...streamScript({}, parts(), count), made: () => made }
}

test('calls nothing before send has returned', async () => {
  const { calls, sink } = recorder()
  play(jsonScript(200, {}, 1), noDelay, sink)
  assert.deepEqual(calls, [])
  await turn()
  assert.deepEqual(calls, ['head 200', '1', 'end'])
})

test('sends the whole of a short stream in one turn of the event loop', async () => {
  const { calls, sink } = recorder()
  play(counted(100), noDelay, sink)
  await turn()
  assert.equal(calls.length, 102)
})

test('leaves the event loop to others within a long answer', async () => {
  const { calls, sink } = recorder()
  play(counted(64, 64 * 1024), noDelay, sink)
  await turn()
  assert.equal(calls.length, 2)
})

test('waits for the latency, then between the parts of a stream', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const { calls, sink } = recorder()
  play(counted(3), { latencyMs: 200, chunkDelayMs: 10 }, sink)
  t.mock.timers.tick(199)
  assert.deepEqual(calls, [])
  t.mock.timers.tick(1)
  assert.deepEqual(calls, ['head 200', '0'])
  t.mock.timers.tick(9)
  assert.equal(calls.length, 2)
  t.mock.timers.tick(1)
  assert.deepEqual(calls, ['head 200', '0', '1'])
  t.mock.timers.tick(10)
  t.mock.timers.tick(10)
  assert.deepEqual(calls, ['head 200', '0', '1', '2', 'end'])
})

test('has no delay within an answer that is not streamed', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const { calls, sink } = recorder()
  play({ ...counted(3), streamed: false }, { latencyMs: 0, chunkDelayMs: 10 }, sink)
  t.mock.timers.tick(0)
  assert.equal(calls.at(-1), 'end')
})

test('makes and sends nothing more until resumed', async () => {
  const script = counted(50)
  const { calls, sink } = recorder(() => false)
  const exchange = play(script, noDelay, sink)
  for (let sent = 1; sent <= 50; sent++) {
    await turn()
    await turn()
    assert.equal(script.made(), sent)
    assert.equal(calls.length, sent + 1)
    exchange.resume()
    exchange.resume()
    assert.equal(calls.length, sent + 1)
  }
  await turn()
  assert.equal(calls.at(-1), 'end')
  exchange.resume()
  exchange.abort()
  await turn()
  assert.equal(calls.length, 52)
})

test('a resume while nothing is held back changes nothing', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const { calls, sink } = recorder()
  const exchange = play(counted(3), { latencyMs: 5, chunkDelayMs: 10 }, sink)
  exchange.resume()
  t.mock.timers.tick(5)
  exchange.resume()
  t.mock.timers.tick(9)
  assert.deepEqual(calls, ['head 200', '0'])
})

for (const [when, ticks, heard] of [
  ['before the head', [50], 0],
  ['within the stream', [100, 10, 5], 3],
] as const) {
  test(`an abort ${when} stops the timers, and the sink hears nothing more`, t => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
    const { calls, sink } = recorder()
    const exchange = play(counted(9), { latencyMs: 100, chunkDelayMs: 10 }, sink)
    for (const ms of ticks) t.mock.timers.tick(ms)
    assert.equal(calls.length, heard)
    exchange.abort()
    exchange.resume()
    t.mock.timers.tick(10_000)
    assert.equal(calls.length, heard)
  })
}

test('an abort leaves nothing that would keep the process alive', async () => {
  const timers = () =>
    process.getActiveResourcesInfo().filter(name => name === 'Timeout' || name === 'Immediate').length
  const before = timers()
  const exchanges = [noDelay, { latencyMs: 60_000, chunkDelayMs: 0 }].map(pace =>
    play(counted(3), pace, recorder().sink),
  )
  assert.equal(timers(), before + 2)
  for (const exchange of exchanges) exchange.abort()
  assert.equal(timers(), before)
})

test('an abort from within onData starts no further timer', t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const started = t.mock.method(globalThis, 'setTimeout')
  const { sink } = recorder(() => {
    exchange.abort()
    return true
  })
  const exchange = play(counted(9), { latencyMs: 0, chunkDelayMs: 10 }, sink)
  t.mock.timers.tick(0)
  assert.equal(started.mock.callCount(), 0)
})

for (const within of ['onHead', 'onData'] as const) {
  test(`an abort from within ${within} is the last the sink hears`, async () => {
    const { calls, sink } = recorder()
    const exchange = play(counted(9), noDelay, {
      ...sink,
      [within]: (...args: [never, never]) => {
        exchange.abort()
        return sink[within](...args)
      },
    })
    await turn()
    await turn()
    assert.equal(calls.length, within === 'onHead' ? 1 : 2)
  })
}
