import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Allowance, AllowanceSlice, AllowanceStore } from '#store/allowances-port.ts'
import type { Store } from '#store/ports.ts'
import { adapters, type StoreUnderTest } from './store-adapters.ts'

const ID = 'a'.repeat(64)
const PERIOD = Date.UTC(2026, 0, 1)

function slice(over: Partial<AllowanceSlice> = {}): AllowanceSlice {
  return { id: ID, period: PERIOD, epoch: 'run_1', slice: 10, initial: 0, ceiling: 100, ...over }
}

const use = (used: number, over: object = {}) => ({
  id: ID,
  period: PERIOD,
  epoch: 'run_1',
  used,
  closed: false,
  ...over,
})

for (const [name, start] of Object.entries(adapters)) {
  describe(`allowances on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect(), database)
      })

    slicesBehave(withStore)
    runsBehave(withStore)

    withStore('gives each of many who take at once a slice of their own', async (store, database) => {
      const clients = await Promise.all([1, 2, 3, 4].map(() => database.connect({ timeoutMs: 20_000 })))
      const highs = await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const client = clients[n % clients.length] as Store
          return (await client.allowances.take(slice({ slice: 3, ceiling: 100 }))).high
        }),
      )
      const expected = Array.from({ length: 40 }, (_, n) => Math.min(3 * (n + 1), 100))
      assert.deepEqual(
        highs.sort((a, b) => a - b),
        expected,
      )
      assert.equal((await store.allowances.take(slice({ slice: 0 }))).high, 100)
    })

    withStore('settles many at once from many sides', async (_, database) => {
      const clients = await Promise.all([1, 2, 3].map(() => database.connect({ timeoutMs: 20_000 })))
      const ids = Array.from({ length: 30 }, (_, n) => n.toString(16).padStart(64, '0'))
      const [first] = clients as [Store]
      await Promise.all(ids.map(id => first.allowances.take(slice({ id, slice: 50 }))))
      await Promise.all(
        clients.map(async ({ allowances }, c) => {
          for (let n = 1; n <= 5; n++) {
            // Each names them in another order.
            const order = c === 0 ? ids : c === 1 ? ids.toReversed() : [...ids.slice(9), ...ids.slice(0, 9)]
            await allowances.settle(order.map(id => use(n * 3 + c, { id })))
          }
        }),
      )
      const rest = await Promise.all(ids.map(id => first.allowances.take(slice({ id, slice: 0 }))))
      assert.deepEqual(
        rest,
        ids.map(() => ({ used: 17, high: 50, charged: 0 })),
      )
    })

    withStore('agrees with the model, whatever happens in whatever order', async store => {
      let id = 0
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
          const own = (id++).toString(16).padStart(64, '0')
          await agree(store.allowances, own, steps)
        }),
        { numRuns: 60 },
      )
    })
  })
}

type WithStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) => void

function slicesBehave(withStore: WithStore): void {
  withStore('gives out slice after slice up to the ceiling and never beyond', async ({ allowances }) => {
    const highs: number[] = []
    for (let n = 0; n < 5; n++) highs.push((await allowances.take(slice({ slice: 30 }))).high)
    assert.deepEqual(highs, [30, 60, 90, 100, 100])
    assert.deepEqual(await allowances.take(slice({ slice: Number.MAX_SAFE_INTEGER })), {
      used: 0,
      high: 100,
      charged: 0,
    })
  })

  withStore('gives out nothing where more is used than the ceiling', async ({ allowances }) => {
    assert.deepEqual(await allowances.take(slice({ initial: 150 })), { used: 150, high: 150, charged: 0 })
    assert.deepEqual(await allowances.take(slice({ initial: 0 })), { used: 150, high: 150, charged: 0 })
  })

  withStore('begins with what was used before there was a row, and asks no more then', async ({ allowances }) => {
    assert.deepEqual(await allowances.take(slice({ initial: 40 })), { used: 40, high: 50, charged: 0 })
    assert.deepEqual(await allowances.take(slice({ initial: 90 })), { used: 40, high: 60, charged: 0 })
  })

  withStore(
    'gives out nothing more under a lower ceiling, and does not forget what was given out',
    async ({ allowances }) => {
      await allowances.take(slice({ slice: 80 }))
      assert.deepEqual(await allowances.take(slice({ ceiling: 20 })), { used: 0, high: 20, charged: 0 })
      // A crash now: 80 may be in use.
      assert.deepEqual(await allowances.take(slice({ ceiling: 20, epoch: 'run_2' })), {
        used: 80,
        high: 80,
        charged: 80,
      })
    },
  )

  withStore('keeps periods and bounds apart, and forgets periods that are over', async ({ allowances }) => {
    for (const period of [0, 1000, 2000]) await allowances.take(slice({ period, initial: period }))
    await allowances.take(slice({ id: 'b'.repeat(64), period: 2000 }))
    assert.equal((await allowances.take(slice({ period: 2000, slice: 0 }))).used, 2000)
    assert.equal(await allowances.forget(2000), 1)
    assert.equal((await allowances.take(slice({ period: 1000, slice: 0 }))).used, 0, 'made anew')
    assert.equal(await allowances.forget(Number.MAX_SAFE_INTEGER), 3)
    assert.equal((await allowances.take(slice({ period: 0, slice: 0 }))).high, 10, 'what has no end stays')
  })

  withStore('takes the greatest amounts', async ({ allowances }) => {
    const max = Number.MAX_SAFE_INTEGER
    const huge = slice({ initial: max - 1, slice: max, ceiling: max })
    assert.deepEqual(await allowances.take(huge), { used: max - 1, high: max, charged: 0 })
    assert.deepEqual(await allowances.take(huge), { used: max - 1, high: max, charged: 0 })
    await allowances.settle([use(max)])
    assert.deepEqual(await allowances.take(huge), { used: max, high: max, charged: 0 })
  })
}

function runsBehave(withStore: WithStore): void {
  withStore('counts all that a run had taken as used where it ended without settling', async ({ allowances }) => {
    await allowances.take(slice({ slice: 30 }))
    await allowances.settle([use(12)])
    assert.deepEqual(await allowances.take(slice({ epoch: 'run_2' })), { used: 30, high: 40, charged: 18 })
    assert.deepEqual(await allowances.take(slice({ epoch: 'run_2' })), { used: 30, high: 50, charged: 0 }, 'once')
  })

  withStore('gets back at a clean stop what was taken and not used', async ({ allowances }) => {
    await allowances.take(slice({ slice: 30 }))
    await allowances.settle([use(12, { closed: true })])
    assert.deepEqual(await allowances.take(slice({ epoch: 'run_2' })), { used: 12, high: 22, charged: 0 })
  })

  withStore('goes on after its own settling', async ({ allowances }) => {
    await allowances.take(slice())
    await allowances.settle([use(4, { closed: true })])
    assert.deepEqual(await allowances.take(slice()), { used: 4, high: 14, charged: 0 })
    // It is open again: a crash counts.
    assert.deepEqual(await allowances.take(slice({ epoch: 'run_2' })), { used: 14, high: 24, charged: 10 })
  })

  withStore(
    'ignores what a run says of which another has taken over, and of rows that are not there',
    async ({ allowances }) => {
      await allowances.take(slice())
      await allowances.take(slice({ epoch: 'run_2' }))
      await allowances.settle([use(99, { closed: true }), use(50, { period: 5 })])
      assert.deepEqual(await allowances.take(slice({ epoch: 'run_2', slice: 0 })), { used: 10, high: 20, charged: 0 })
      assert.deepEqual(await allowances.take(slice({ period: 5, slice: 0 })), { used: 0, high: 0, charged: 0 })
    },
  )

  withStore('never notes less than before, and more than was taken where that was used', async ({ allowances }) => {
    await allowances.take(slice())
    await allowances.settle([use(8)])
    await allowances.settle([use(3)])
    assert.equal((await allowances.take(slice({ slice: 0 }))).used, 8)
    await allowances.settle([use(35)])
    assert.deepEqual(await allowances.take(slice({ slice: 0 })), { used: 35, high: 35, charged: 0 })
    await allowances.settle([])
  })
}

type Step =
  | { readonly do: 'take'; readonly slice: number; readonly ceiling: number; readonly initial: number }
  | { readonly do: 'settle'; readonly used: number; readonly closed: boolean; readonly stale: boolean }
  | { readonly do: 'crash' }

const amount = fc.integer({ min: 0, max: 40 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('take' as const), slice: amount, ceiling: amount, initial: amount }),
  fc.record({ do: fc.constant('settle' as const), used: amount, closed: fc.boolean(), stale: fc.boolean() }),
  fc.record({ do: fc.constant('crash' as const) }),
)

/** The rules of the port, one by one, beside the store. */
async function agree(store: AllowanceStore, id: string, steps: readonly Step[]): Promise<void> {
  let run = 1
  let row: { used: number; high: number; epoch: number; closed: boolean } | undefined
  for (const next of steps) {
    if (next.do === 'crash') {
      run++
      continue
    }
    if (next.do === 'settle') {
      const epoch = next.stale ? run - 1 : run
      await store.settle([{ id, period: PERIOD, epoch: `run_${epoch}`, used: next.used, closed: next.closed }])
      if (row === undefined || row.epoch !== epoch) continue
      row.used = Math.max(row.used, next.used)
      row.closed ||= next.closed
      row.high = row.closed ? row.used : Math.max(row.high, row.used)
      continue
    }
    const { slice, ceiling, initial } = next
    row ??= { used: initial, high: initial, epoch: run, closed: true }
    const charged = row.epoch !== run && !row.closed ? row.high - row.used : 0
    const high = Math.max(row.high, Math.min(row.high + slice, ceiling))
    row = { used: row.used + charged, high, epoch: run, closed: false }
    const expected: Allowance = { used: row.used, high: Math.max(row.used, Math.min(high, ceiling)), charged }
    assert.deepEqual(await store.take({ id, period: PERIOD, epoch: `run_${run}`, slice, initial, ceiling }), expected)
  }
}
