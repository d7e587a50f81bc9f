import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallEvent, OstiaryEvent } from '#core/events.ts'
import { ocsfRecord } from './ocsf.ts'
import { syslogMessage } from './syslog.ts'

const AT = Date.UTC(2026, 0, 31)

const call: CallEvent = {
  type: 'call',
  id: 'req_1',
  callerRequestId: null,
  at: AT,
  worker: 1,
  configGeneration: 1,
  source: '192.0.2.1',
  method: 'POST',
  path: '/v1/chat/completions',
  route: 'openai.chat',
  principal: { kind: 'api_key', id: 'key_1', project: 'proj_default', environment: 'test' },
  credential: 'key_1',
  model: 'm',
  target: { provider: 'p', model: 'm', test: true },
  stream: false,
  outcome: 'completed',
  problem: null,
  reason: null,
  status: 200,
  upstreamStatus: 200,
  bytesIn: 1,
  bytesOut: 2,
  durationMs: 3.4,
  firstByteMs: 1,
  usage: null,
  costNanoUsd: null,
}
const ofService = { target: null, model: null, service: { name: 'catalog', operation: 'edit', path: '/items/1' } }
const refused = { ...call, outcome: 'refused', status: 403 } as const
const change = {
  id: 'evt_1',
  at: AT,
  actor: 'op_1',
  source: '192.0.2.2',
  requestId: null,
  project: 'a',
  subject: 'key_1',
}
const refusals = { id: 'evt_2', at: AT, lastAt: AT + 5, worker: 1, source: '2001:db8::/64', route: null, reason: 'tag' }
const counted = { ...refusals, type: 'refusals', credential: null, count: 9, samples: [] } as const
const { id, at, worker, configGeneration, source, method, path, route, principal, credential, model, target } = call
const admitted = { id, at, worker, configGeneration, source, method, path, route, principal, credential, model, target }

/** Event, class, activity, status, and the attributes that the schema requires of the class (schema.ocsf.io/1.3.0). */
const table: readonly (readonly [OstiaryEvent, number, number, number, readonly string[]])[] = [
  [call, 6003, 1, 1, ['actor', 'api', 'src_endpoint']],
  [{ ...call, method: 'GET' }, 6003, 2, 1, ['actor', 'api', 'src_endpoint']],
  [{ ...call, ...ofService, method: 'HEAD' }, 6003, 2, 1, ['actor', 'api', 'src_endpoint']],
  [{ ...call, ...ofService, method: 'PATCH' }, 6003, 3, 1, ['actor', 'api', 'src_endpoint']],
  [{ ...call, ...ofService, method: 'DELETE' }, 6003, 4, 1, ['actor', 'api', 'src_endpoint']],
  [{ ...refused, problem: 'model.not_found' }, 6003, 1, 2, ['actor', 'api', 'src_endpoint']],
  [{ ...refused, problem: 'policy.environment' }, 3003, 99, 2, ['user', 'privileges', 'activity_name']],
  [{ ...admitted, type: 'admitted' }, 3003, 1, 1, ['user', 'privileges']],
  [{ ...counted, problem: 'auth.invalid_credential' }, 3002, 1, 2, ['user', 'service', 'count']],
  [{ ...counted, source: '*', problem: 'request.malformed' }, 6003, 99, 2, ['actor', 'api', 'src_endpoint']],
  [{ ...change, type: 'key.created', detail: null }, 3004, 1, 1, ['entity']],
  [{ ...change, type: 'key.rotated', detail: { a: 1 } }, 3004, 3, 1, ['entity']],
  [{ ...change, type: 'key.revoked', detail: null }, 3004, 4, 1, ['entity']],
  [{ ...change, type: 'key.enabled', detail: null }, 3004, 8, 1, ['entity']],
  [{ ...change, type: 'key.disabled', detail: null }, 3004, 9, 1, ['entity']],
  [{ ...change, type: 'audit.pruned', detail: null }, 3004, 4, 1, ['entity']],
  [{ ...change, type: 'key.leak_reported', detail: null }, 2004, 1, 1, ['finding_info', 'resources']],
  [{ type: 'config.reloaded', id: 'evt_3', at: AT, configGeneration: 2, detail: null }, 3004, 3, 1, ['entity']],
  [{ type: 'config.reload_refused', id: 'evt_4', at: AT, configGeneration: 2, detail: 'x' }, 3004, 3, 2, ['entity']],
  [{ type: 'gateway.started', id: 'evt_5', at: AT, configGeneration: 1, detail: null }, 3004, 99, 1, ['activity_name']],
]

for (const [event, uid, activity, status, required] of table) {
  test(`${event.type} ${'problem' in event ? event.problem : ''} is of class ${uid}, activity ${activity}`, () => {
    const record = ocsfRecord(event, '1.2.3')
    assert.deepEqual(
      [record.class_uid, record.category_uid, record.activity_id, record.type_uid, record.status_id, record.time],
      [uid, Math.floor(uid / 1000), activity, uid * 100 + activity, status, AT],
    )
    assert.deepEqual(
      ['severity_id', 'metadata', 'unmapped', ...required].filter(name => record[name] === undefined),
      [],
    )
    assert.equal(record.unmapped, event)
    if (event.type === 'call' && event.problem !== null) assert.equal(record.status_code, event.problem)
  })
}

test('a message of syslog has its severity, time and type in the head, and the event after a BOM', () => {
  const head = (event: OstiaryEvent) => syslogMessage(event).split(' ', 7)
  assert.deepEqual(
    [head(call)[0], head(call)[1], head(call)[3], head(call)[5]],
    ['<110>1', '2026-01-31T00:00:00.000Z', 'ostiary', 'call'],
  )
  assert.equal(head({ ...refused, problem: 'model.not_found' })[0], '<108>1')
  assert.equal(head({ ...call, outcome: 'failed' })[0], '<107>1')
  assert.equal(head({ ...change, type: 'key.created', detail: null })[0], '<109>1')
  assert.ok(syslogMessage(call).endsWith(`\ufeff${JSON.stringify(call)}`))
  assert.ok(!syslogMessage({ ...call, model: 'a\nb' }).includes('\n'))
})

test('what a call used and cost is in the record as it is in the event', () => {
  const part = { cachedInput: 0, cacheWrite: 0, reasoning: 0 }
  const media = { audioInput: 0, audioOutput: 0, imageInput: 0, imageOutput: 0 }
  const usage = { source: 'estimate', input: 5, output: 7, ...part, ...media } as const
  const event: CallEvent = { ...call, usage, costNanoUsd: 42 }
  assert.deepEqual(ocsfRecord(event, '1').unmapped, event)
  assert.match(syslogMessage(event), /"output":7.*"costNanoUsd":42/)
})

test('a call to a service names the service', () => {
  assert.deepEqual(ocsfRecord({ ...call, ...ofService }, '1.0.0').resources, [{ name: 'catalog', type: 'service' }])
})

test('names the policies that decided a call', () => {
  const policies = ['night', 'weekend']
  const actorOf = (event: OstiaryEvent) => ocsfRecord(event, '1.0.0').actor
  assert.deepEqual(actorOf({ ...refused, problem: 'policy.denied', policies }), {
    user: { uid: 'key_1', type_id: 4 },
    authorizations: policies.map(uid => ({ decision: 'Denied', policy: { uid } })),
  })
  assert.deepEqual(actorOf({ ...call, policies: ['own'] }), {
    user: { uid: 'key_1', type_id: 4 },
    authorizations: [{ decision: 'Allowed', policy: { uid: 'own' } }],
  })
  assert.deepEqual(actorOf(call), { user: { uid: 'key_1', type_id: 4 } })
})
