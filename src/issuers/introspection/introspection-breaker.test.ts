import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  IntrospectionBreaker,
  MAX_OPEN_MS,
  OPEN_MS,
  TOLERATED_FAILURES,
  TRIAL_INTERVAL_MS,
} from './introspection-breaker.ts'

/** A breaker whose endpoint is as `trouble` says. */
function openBreaker() {
  const state = { trouble: null as string | null, trials: 0, now: 0, told: [] as (string | null)[] }
  const breaker = new IntrospectionBreaker({
    tryEndpoint: async () => {
      state.trials++
      return state.trouble
    },
    onChange: trouble => state.told.push(trouble),
    now: () => state.now,
  })
  const fail = async (times: number) => {
    for (let n = 0; n < times; n++) breaker.failed(false)
    await settled()
  }
  return { state, breaker, fail }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

describe('the breaker of introspection', () => {
  it('opens when the endpoint fails its own trial, after failures in a row', async () => {
    const { state, breaker, fail } = openBreaker()
    state.trouble = 'down'
    await fail(TOLERATED_FAILURES - 1)
    breaker.succeeded()
    await fail(TOLERATED_FAILURES - 1)
    assert.deepEqual([state.trials, breaker.admits()], [0, true])
    await fail(1)
    assert.deepEqual([state.trials, breaker.admits(), state.told], [1, false, ['down']])
  })

  it('stays closed whatever fails, as long as the endpoint passes its trials, which are few', async () => {
    const { state, breaker, fail } = openBreaker()
    await fail(1000)
    assert.deepEqual([state.trials, breaker.admits(), state.told], [1, true, []])
    state.now = TRIAL_INTERVAL_MS - 1
    await fail(1000)
    assert.equal(state.trials, 1)
    state.now = TRIAL_INTERVAL_MS
    await fail(1)
    assert.deepEqual([state.trials, breaker.admits()], [2, true])
  })

  it('tries at once where the first failure says enough', async () => {
    const { state, breaker } = openBreaker()
    state.trouble = 'refused'
    breaker.failed(true)
    await settled()
    assert.deepEqual([state.trials, breaker.admits()], [1, false])
  })

  it('lets one wait for the next trial, and closes if that succeeds', async () => {
    const { state, breaker, fail } = openBreaker()
    state.trouble = 'down'
    await fail(TOLERATED_FAILURES)
    state.now = OPEN_MS - 1
    assert.equal(breaker.admits(), false)
    state.now = OPEN_MS
    state.trouble = null
    const first = breaker.admits()
    assert.ok(first instanceof Promise)
    assert.equal(breaker.admits(), false, 'the others do not wait')
    assert.equal(await first, true)
    assert.deepEqual([breaker.admits(), state.trials, state.told], [true, 2, ['down', null]])
  })

  it('waits twice as long after each trial that fails, up to a bound, and says so once', async () => {
    const { state, breaker, fail } = openBreaker()
    state.trouble = 'down'
    await fail(TOLERATED_FAILURES)
    const waits: number[] = []
    for (let n = 0; n < 8; n++) {
      const begun = state.now
      let admitted = breaker.admits()
      while (admitted === false) {
        state.now += 500
        admitted = breaker.admits()
      }
      waits.push(state.now - begun)
      assert.equal(await admitted, false)
    }
    assert.deepEqual(waits, [OPEN_MS, 2000, 4000, 8000, 16_000, MAX_OPEN_MS, MAX_OPEN_MS, MAX_OPEN_MS])
    assert.deepEqual(state.told, ['down'])
    state.now += MAX_OPEN_MS
    state.trouble = null
    assert.equal(await breaker.admits(), true)
    state.trouble = 'down'
    state.now += TRIAL_INTERVAL_MS
    await fail(TOLERATED_FAILURES)
    state.now += OPEN_MS
    assert.ok(breaker.admits() instanceof Promise, 'it begins anew with the shortest wait')
  })
})
