import assert from 'node:assert/strict'
import { it } from 'node:test'
import { periodAt } from './periods.ts'

const at = (text: string) => Date.parse(`${text}Z`)

it('periods are those of the calendar in UTC', () => {
  const time = at('2028-02-29T23:59:59.999')
  assert.deepEqual(periodAt('day', time), { start: at('2028-02-29T00:00:00'), end: at('2028-03-01T00:00:00') })
  assert.deepEqual(periodAt('week', time), { start: at('2028-02-28T00:00:00'), end: at('2028-03-06T00:00:00') })
  assert.deepEqual(periodAt('month', time), { start: at('2028-02-01T00:00:00'), end: at('2028-03-01T00:00:00') })
  assert.deepEqual(periodAt('total', time), { start: 0, end: 0 })
  assert.deepEqual(periodAt('month', at('2028-12-31T12:00:00')).end, at('2029-01-01T00:00:00'))
})

it('a week begins with Monday, to the millisecond', () => {
  const monday = at('2026-11-23T00:00:00')
  assert.equal(periodAt('week', monday).start, monday)
  assert.equal(periodAt('week', monday - 1).end, monday)
})
