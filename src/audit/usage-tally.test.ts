import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallEvent } from '#core/events.ts'
import { HOUR_MS } from '#core/usage-delta.ts'
import { EventBatch } from './event-batch.ts'
import { ModelNames } from './model-names.ts'
import { UsageTally } from './usage-tally.ts'

const HOUR = Date.UTC(2026, 0, 31, 23)

function call(over: Partial<CallEvent> = {}): CallEvent {
  return {
    type: 'call',
    id: 'req_1',
    at: HOUR,
    principal: { kind: 'api_key', id: 'key_1', project: 'proj_a', environment: 'live' },
    model: 'm',
    target: { provider: 'p', model: 'x', test: false },
    outcome: 'completed',
    problem: null,
    usage: null,
    costNanoUsd: null,
    ...over,
  } as CallEvent
}

function tally(events: readonly CallEvent[], names = new ModelNames()) {
  const counting = new UsageTally(names)
  for (const event of events) counting.add(event)
  return counting.deltas
}

test('a call counts in the hour of UTC in which it began', () => {
  const deltas = tally([call({ at: HOUR - 1 }), call(), call({ at: HOUR + HOUR_MS - 1 }), call({ at: HOUR + HOUR_MS })])
  assert.deepEqual(
    deltas.map(({ hour, requests }) => [hour, requests]),
    [
      [HOUR - HOUR_MS, 1],
      [HOUR, 2],
      [HOUR + HOUR_MS, 1],
    ],
  )
})

test('a call that came to no model has none, however its caller named it', () => {
  const deltas = tally(
    Array.from({ length: 500 }, (_, n) =>
      call({ model: `made-up-${n}`, target: null, outcome: 'refused', problem: 'x' }),
    ),
  )
  assert.deepEqual(
    deltas.map(({ model, provider, requests, refused }) => [model, provider, requests, refused]),
    [['', '', 500, 500]],
  )
})

test('names of models that callers choose make no rows without end', () => {
  const names = new ModelNames()
  const seen = new Map<string, number>()
  // Over many batches, of an hour.
  for (let batch = 0; batch < 50; batch++) {
    const events = Array.from({ length: 100 }, (_, n) => call({ model: `m${batch * 100 + n}` }))
    for (const { model, requests } of tally(events, names)) seen.set(model, (seen.get(model) ?? 0) + requests)
  }
  assert.equal(seen.size, 201)
  assert.equal(seen.get('*'), 4800)
  // One that is known stays known; another project and another hour have room of their own.
  assert.equal(names.take(HOUR, 'proj_a', 'm7'), 'm7')
  assert.equal(names.take(HOUR, 'proj_b', 'm4000'), 'm4000')
  assert.equal(names.take(HOUR + HOUR_MS, 'proj_a', 'm4000'), 'm4000')
})

test('hours that are over are forgotten', () => {
  const names = new ModelNames()
  for (let n = 0; n < 200; n++) names.take(HOUR, 'proj_a', `m${n}`)
  assert.equal(names.take(HOUR, 'proj_a', 'one more'), '*')
  for (let h = 1; h <= 4; h++) names.take(HOUR + h * HOUR_MS, 'proj_a', 'm')
  assert.equal(names.take(HOUR, 'proj_a', 'one more'), 'one more')
})

test('groups are never merged, whatever is in a name', () => {
  const principal = (project: string, id: string) => ({ kind: 'api_key', id, project, environment: 'live' as const })
  const deltas = tally([
    call({ principal: principal('a', 'b'), model: 'c d' }),
    call({ principal: principal('a', 'b'), model: 'c', target: { provider: 'p', model: 'd', test: false } }),
    call({ principal: principal('a', 'b'), model: ' c d' }),
    call({ principal: principal('a', 'b'), model: 'C D' }),
    call({ principal: { ...principal('a', 'b'), environment: 'test' }, model: 'c d' }),
  ])
  assert.equal(deltas.length, 5)
})

test('a batch is its events and what their calls used', () => {
  const events = ['z', 'a', 'm'].map((id, n) =>
    call({ at: HOUR + n, principal: { kind: 'api_key', id, project: 'proj_a', environment: 'live' } }),
  )
  const batch = new EventBatch(new ModelNames())
  for (const event of events) batch.push(event)
  const { link, usage } = batch.close()
  assert.deepEqual([link.count, link.firstAt, link.lastAt], [3, HOUR, HOUR + 2])
  assert.deepEqual(usage.map(({ key }) => key).sort(), ['a', 'm', 'z'])
})

test('names that are stored alike are one group', () => {
  const deltas = tally(['a\0', 'a\ufffd', 'x'.repeat(300), 'x'.repeat(400), 'a\0'].map(model => call({ model })))
  assert.deepEqual(
    deltas.map(({ model, requests }) => [model.slice(0, 2), requests]),
    [
      ['a\ufffd', 3],
      ['xx', 2],
    ],
  )
})
