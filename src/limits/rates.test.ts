import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CounterMemory, createLimitsMemory, RATE } from './counter-memory.ts'
import { type CounterPlace, placeCounter } from './counter-table.ts'
import { chargeRate, type RateCharge, REFUSED, rateLevel, rateWait, TAKEN, takeRate, undoRate } from './rates.ts'

function open(): { readonly memory: CounterMemory; readonly place: CounterPlace } {
  const memory = new CounterMemory(createLimitsMemory({ workers: 1, slots: 1, holds: 1 }))
  const identity = { kind: RATE, key: new Int32Array(8), period: 0, periodEnd: 0 } as const
  return { memory, place: placeCounter(memory, 1, identity, 0) as CounterPlace }
}

describe('a rate', () => {
  it('lets its window through at once and then one a turn, to the microsecond', () => {
    const { memory, place } = open()
    const take = (now: number) => takeRate(memory, place, now, 10, 30, { until: 0, undone: 0 }) === TAKEN
    assert.deepEqual([take(100), take(100), take(100), take(100)], [true, true, true, false])
    assert.equal(rateWait(memory, place, 100, 10, 30), 10)
    assert.deepEqual([take(109), take(110), take(110)], [false, true, false])
    assert.equal(rateLevel(memory, place, 115), 25)
    assert.equal(rateLevel(memory, place, 1e15), 0)
  })

  it('takes nothing where it refuses, and nothing is free while more is owed than the window', () => {
    const { memory, place } = open()
    const charge = { until: 0, undone: 0 }
    assert.equal(takeRate(memory, place, 0, 31, 30, charge), REFUSED)
    assert.equal(rateLevel(memory, place, 0), 0)
    assert.equal(takeRate(memory, place, 0, 0, 30, charge), TAKEN)
    assert.equal(chargeRate(memory, place, 0, 1000), true)
    assert.equal(takeRate(memory, place, 500, 0, 30, charge), REFUSED)
    assert.equal(rateWait(memory, place, 500, 0, 30), 470)
    assert.equal(takeRate(memory, place, 970, 0, 30, charge), TAKEN)
    chargeRate(memory, place, 0, Number.MAX_SAFE_INTEGER)
    assert.equal(rateLevel(memory, place, 0), Number.MAX_SAFE_INTEGER)
  })

  it('gives back no more than time has not given back', () => {
    const { memory, place } = open()
    const [first, second, third] = [0, 0, 0].map(() => ({ until: 0, undone: 0 })) as [
      RateCharge,
      RateCharge,
      RateCharge,
    ]
    takeRate(memory, place, 0, 10, 30, first)
    takeRate(memory, place, 0, 10, 30, second)
    undoRate(memory, place, first, 0, 10)
    takeRate(memory, place, 9, 10, 30, third)
    // The second has moved up to the place of the first: at 9 only 1 of it is left.
    undoRate(memory, place, second, 9, 10)
    assert.equal(rateLevel(memory, place, 9), 10)
    undoRate(memory, place, third, 30, 10)
    assert.equal(rateLevel(memory, place, 30), 0)
  })

  it('keeps its bound in every span, whatever is given back and when', () => {
    const step = fc.record({ wait: fc.nat({ max: 12 }), undo: fc.boolean(), which: fc.nat({ max: 5 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), steps => {
        const { memory, place } = open()
        let now = 1000
        const taken: { readonly at: number; readonly charge: RateCharge; undone: boolean }[] = []
        for (const { wait, undo, which } of steps) {
          now += wait
          const open = taken.filter(({ undone }) => !undone)
          const chosen = open[open.length - 1 - which]
          if (undo && chosen !== undefined) {
            undoRate(memory, place, chosen.charge, now, 10)
            chosen.undone = true
          } else if (!undo) {
            const charge = { until: 0, undone: 0 }
            if (takeRate(memory, place, now, 10, 30, charge) === TAKEN) taken.push({ at: now, charge, undone: false })
          }
        }
        const kept = taken.filter(({ undone }) => !undone).map(({ at }) => at)
        for (const [i, from] of kept.entries()) {
          for (const [j, to] of kept.entries()) {
            if (j >= i) assert.ok(j - i + 1 <= 3 + Math.floor((to - from) / 10), `${kept}`)
          }
        }
      }),
      { numRuns: 3000 },
    )
  })
})
