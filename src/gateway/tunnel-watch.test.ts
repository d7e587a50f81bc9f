import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type TestContext, test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { REVOCATION_BOUND_MS } from '#core/revocation.ts'
import { keepUpgrade, type Upgrade } from '#http/upgrades.ts'
import type { Call } from './call.ts'
import type { ServiceRoute } from './routes.ts'
import { TunnelWatch } from './tunnel-watch.ts'

/** A watch whose one tunnel is authenticated by `authenticate`; time is the test’s. */
function openWatch(t: TestContext, authenticate: () => Promise<Problem>) {
  let now = 0
  t.mock.timers.enable({ apis: ['setInterval'] })
  t.mock.method(performance, 'now', () => now)
  const closed: string[] = []
  const failures: unknown[] = []
  const res = new EventEmitter()
  let running = 0
  const generation = {
    allowsAddress: null,
    services: {
      isEmpty: false,
      find: () => ({
        service: { name: 's', webSocket: true, upstream: {}, operationOf: () => ({ name: 'read', action: {} }) },
        below: '',
      }),
    },
    authenticate,
    enter: () => running++,
    leave: () => running--,
  }
  const watch = new TunnelWatch({
    current: () => generation,
    clock: () => 0,
    logFailure: (_call: string, error: unknown) => failures.push(error),
  } as never)
  const req = { method: 'GET', url: '/s', headers: { host: 'x' } }
  keepUpgrade(req as unknown as IncomingMessage, {} as Upgrade)
  const call = { id: 'req_1', req, res, source: '127.0.0.1', client: '127.0.0.1', origin: null, principal: null }
  watch.watch(call as unknown as Call, { service: { name: 's' } } as ServiceRoute, {
    close: (why: Problem) => closed.push(why.code),
  })
  const pass = async (ms: number) => {
    now += ms
    t.mock.timers.tick(ms)
    await new Promise(resolve => setImmediate(resolve))
  }
  return { closed, failures, res, pass, running: () => running }
}

test('while nobody can tell, it stays as long as a revocation may take, and no longer', async t => {
  const { closed, pass, running } = openWatch(t, async () => new Problem('store.unavailable'))
  await pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual(closed, [])
  await pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual(closed, ['store.unavailable'])
  assert.equal(running(), 0)
})

test('nor while the answer does not come', async t => {
  const { closed, pass } = openWatch(t, () => new Promise(() => {}))
  await pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual(closed, [])
  await pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual(closed, ['store.unavailable'])
})

test('a refusal closes it at once; a defect is told, and closes it too', async t => {
  const refused = openWatch(t, async () => new Problem('auth.invalid_credential'))
  await refused.pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual(refused.closed, ['auth.invalid_credential'])
  t.mock.reset()
  t.mock.timers.reset()
  const broken = openWatch(t, () => Promise.reject(new Error('a defect')))
  await broken.pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual([broken.closed, broken.failures.length], [[], 1])
  await broken.pass(REVOCATION_BOUND_MS / 2)
  assert.deepEqual(broken.closed, ['gateway.internal'])
})

test('what has closed is not asked about any more', async t => {
  let asked = 0
  const { closed, pass, res } = openWatch(t, async () => {
    asked++
    return new Problem('auth.invalid_credential')
  })
  res.emit('close')
  await pass(REVOCATION_BOUND_MS)
  assert.deepEqual([closed, asked], [[], 0])
})
