import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { DecisionChain } from '#audit/decision-chain.ts'
import { EventBatch } from '#audit/event-batch.ts'
import { ModelNames } from '#audit/model-names.ts'
import type { CallEvent } from '#core/events.ts'
import type { MeteredUsage } from '#core/usage.ts'
import { HOUR_MS } from '#core/usage-delta.ts'
import type { DecisionRow, Store } from '#store/ports.ts'
import type { UsageQuery } from '#store/usage-port.ts'
import { adapters, appendCalls, callEvent, type StoreUnderTest } from './store-adapters.ts'

const HOUR = Date.UTC(2026, 0, 31, 23)
const MAX = Number.MAX_SAFE_INTEGER

const used: MeteredUsage = {
  source: 'provider',
  input: 100,
  cachedInput: 40,
  cacheWrite: 10,
  output: 20,
  reasoning: 5,
  audioInput: 4,
  audioOutput: 3,
  imageInput: 2,
  imageOutput: 1,
}

type Over = Partial<CallEvent> & { readonly key?: string; readonly project?: string }

function call(id: string, { key = 'key_1', project = 'proj_a', ...over }: Over = {}): CallEvent {
  const principal = { kind: 'api_key', id: key, project, environment: 'live' } as const
  return callEvent(id, { at: HOUR, principal, credential: key, usage: used, costNanoUsd: 7, ...over })
}

const all: UsageQuery = { by: [], from: 0, projects: null, limit: 1000 }

for (const [name, start] of Object.entries(adapters)) {
  describe(`usage on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect(), database)
      })

    countsBehave(withStore)
    listsBehave(withStore)

    withStore('forgets hours that began before, the oldest first, so many rows at a time', async store => {
      const groups = [4, 3, 2, 1, 0].flatMap(ago =>
        ['key_1', 'key_2'].map(key => call(`req_${ago}_${key}`, { at: HOUR - ago * HOUR_MS + 1, key })),
      )
      await appendCalls(store, groups)
      const left = async () =>
        (await store.usage.list({ ...all, by: ['time', 'key'] })).map(({ group: [at, key] }) => [
          (HOUR - Number(at)) / HOUR_MS,
          key,
        ])
      assert.equal(await store.usage.forget(HOUR - 2 * HOUR_MS, 3), 3)
      const rest = await left()
      assert.equal(rest.length, 7)
      assert.ok(!rest.some(([ago]) => ago === 4), 'the oldest hour went first')
      assert.equal(await store.usage.forget(HOUR - 2 * HOUR_MS, 3), 1)
      assert.equal(await store.usage.forget(HOUR - 2 * HOUR_MS, 3), 0)
      assert.deepEqual(
        (await left()).map(([ago]) => ago),
        [2, 2, 1, 1, 0, 0],
      )
    })

    withStore(
      'adds the usage of a batch once, however often it is sent, and none where its row is not written',
      async store => {
        const rows: DecisionRow[] = []
        let lost = 2
        // A store whose answers get lost: the batch is written, and nobody learns of it.
        const deaf = {
          head: (chain: string) => store.events.head(chain),
          async append(...[row, usage]: Parameters<Store['events']['append']>) {
            rows.push(row)
            const head = await store.events.append(row, usage)
            if (lost-- > 0) throw new Error('the answer got lost')
            return head
          },
        }
        const batch = new EventBatch(new ModelNames())
        for (const id of ['req_1', 'req_2']) batch.push(call(id))
        const { link, usage } = batch.close()
        const chain = new DecisionChain(deaf, 'decisions/1')
        for (let n = 0; n < 2; n++) await assert.rejects(chain.append(link, usage))
        await chain.append(link, usage)
        assert.equal(rows.length, 3)
        assert.equal((await store.usage.list(all))[0]?.requests, 2)
        // Behind another than the newest: not written, so not counted.
        await store.events.append({ ...(rows[0] as DecisionRow), seq: 7, hash: 'x' }, usage)
        assert.equal((await store.usage.list(all))[0]?.requests, 2)
      },
    )

    withStore('writes no row whose usage cannot be written', async (store, database) => {
      const batch = new EventBatch(new ModelNames())
      batch.push(call('req_1'))
      const { link, usage } = batch.close()
      const wrong = usage.map(delta => ({ ...delta, input: 1.5 }))
      await assert.rejects(new DecisionChain(store.events, 'decisions/1').append(link, wrong))
      assert.deepEqual(await database.query('select seq from audit_decisions'), [])
      assert.deepEqual(await store.usage.list(all), [])
    })

    withStore('loses nothing where many workers add to the same groups at once', async (_, database) => {
      const workers = await Promise.all([1, 2, 3, 4].map(() => database.connect({ timeoutMs: 20_000 })))
      const keys = ['key_1', 'key_2', 'key_3', 'key_4', 'key_5']
      await Promise.all(
        workers.map(async (worker, w) => {
          for (let n = 0; n < 10; n++) {
            // Each meets the groups in another order.
            const order = [...keys.slice(w), ...keys.slice(0, w)]
            const batch = order.map((key, k) => call(`req_${w}_${n}_${k}`, { key }))
            await appendCalls(worker, batch, w + 1)
          }
        }),
      )
      const sums = await (workers[0] as Store).usage.list({ ...all, by: ['key'] })
      assert.deepEqual(
        sums.map(({ group, requests, input, costNanoUsd }) => [group[0], requests, input, costNanoUsd]),
        keys.map(key => [key, 40, 4000, 280n]),
      )
    })

    withStore('forgets hours that began before, some at a time', async store => {
      await appendCalls(
        store,
        [0, 1, 2, 3].map(n => call(`req_${n}`, { at: HOUR + n * HOUR_MS })),
      )
      assert.equal(await store.usage.forget(HOUR + 2 * HOUR_MS, 1), 1)
      assert.equal(await store.usage.forget(HOUR + 2 * HOUR_MS, 100), 1)
      assert.equal(await store.usage.forget(HOUR + 2 * HOUR_MS, 100), 0)
      const left = await store.usage.list({ ...all, by: ['time'] })
      assert.deepEqual(
        left.map(({ group }) => group[0]),
        [HOUR + 2 * HOUR_MS, HOUR + 3 * HOUR_MS],
      )
    })
  })
}

type WithStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) => void

function countsBehave(withStore: WithStore): void {
  withStore('counts calls, tokens and cost by the hour in which the call began', async store => {
    await appendCalls(store, [
      call('req_1'),
      call('req_2', { usage: { ...used, source: 'estimate' }, costNanoUsd: null, outcome: 'caller_hung_up' }),
      call('req_3', { outcome: 'upstream_failed', problem: 'upstream.broken', usage: null, costNanoUsd: null }),
      call('req_4', { outcome: 'refused', problem: 'policy.model', usage: null, costNanoUsd: null }),
    ])
    // Of nobody known: counted elsewhere.
    await appendCalls(store, [call('req_5', { principal: null, problem: 'auth.invalid_credential' })])
    await appendCalls(store, [call('req_6')])
    const [sum, ...more] = await store.usage.list({
      ...all,
      by: ['time', 'project', 'key', 'model', 'provider', 'environment'],
    })
    assert.deepEqual(more, [])
    assert.deepEqual(sum, {
      group: [HOUR, 'proj_a', 'key_1', 'gpt-5', 'sandbox', 'live'],
      requests: 5,
      failed: 1,
      refused: 1,
      input: 300,
      cachedInput: 120,
      cacheWrite: 30,
      output: 60,
      reasoning: 15,
      audioInput: 12,
      audioOutput: 9,
      imageInput: 6,
      imageOutput: 3,
      costNanoUsd: 14n,
      unpriced: 1,
      estimated: 1,
    })
  })

  withStore('keeps counting at the greatest exact number; what it cost stays exact beyond', async store => {
    const huge = { ...used, input: MAX, output: MAX - 1 }
    await appendCalls(store, [call('req_1', { usage: huge, costNanoUsd: MAX })])
    for (let n = 0; n < 3; n++) await appendCalls(store, [call(`req_2${n}`, { usage: huge, costNanoUsd: 1 })])
    for (const key of ['key_2', 'key_3'])
      await appendCalls(store, [call('req_3', { key, usage: huge, costNanoUsd: MAX })])
    const [sum] = await store.usage.list(all)
    assert.deepEqual([sum?.requests, sum?.input, sum?.output], [6, MAX, MAX])
    // One hour of one group stays at the bound, the sum of several is exact.
    assert.equal(sum?.costNanoUsd, 3n * BigInt(MAX))
    assert.equal(await store.allowances.spent({ unit: 'usd', from: 0 }), MAX)
    assert.equal(await store.allowances.spent({ unit: 'tokens', from: 0 }), MAX)
  })

  withStore('takes numbers and names that no database would', async store => {
    const odd = { ...used, input: Number.NaN, output: -5, cachedInput: 1.9, reasoning: Number.POSITIVE_INFINITY }
    const names = ['a\0b', 'a\ufffdb', '\ud800', 'x'.repeat(5000), `${'x'.repeat(300)}y`]
    await appendCalls(
      store,
      names.map((model, n) => call(`req_${n}`, { model, usage: odd, costNanoUsd: Number.NaN })),
    )
    const sums = await store.usage.list({ ...all, by: ['model'] })
    assert.deepEqual(
      sums.map(({ group, requests, input, output, cachedInput, reasoning }) => [
        group[0],
        requests,
        input,
        output,
        cachedInput,
        reasoning,
      ]),
      [
        ['a\ufffdb', 2, 0, 0, 2, MAX],
        ['x'.repeat(256), 2, 0, 0, 2, MAX],
        ['\ufffd', 1, 0, 0, 1, MAX],
      ].sort(([a], [b]) => Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))),
    )
  })

  withStore('tells what a budget has spent since an hour', async store => {
    await appendCalls(store, [
      call('req_1', { at: HOUR - 1 }),
      call('req_2'),
      call('req_3', { key: 'key_2', model: 'gpt-4o' }),
      call('req_4', { project: 'proj_b', key: 'key_3' }),
    ])
    const spent = (over: object, unit: 'usd' | 'tokens' = 'usd') =>
      store.allowances.spent({ unit, from: HOUR, ...over })
    assert.equal(await spent({}), 21)
    assert.equal(await spent({ from: HOUR + 10 }), 21, 'the hour in which it lies counts whole')
    assert.equal(await spent({ from: HOUR - 1 }), 28)
    assert.equal(await spent({ from: HOUR + HOUR_MS }), 0)
    assert.equal(await spent({ project: 'proj_a' }), 14)
    assert.equal(await spent({ key: 'key_2' }, 'tokens'), 120)
    assert.equal(await spent({ project: 'proj_a', model: 'gpt-4o' }), 7)
    assert.equal(await spent({ project: 'proj_b', key: 'key_2' }), 0)
  })
}

function listsBehave(withStore: WithStore): void {
  withStore('makes days and months of hours, in UTC', async store => {
    const times = [
      Date.UTC(2024, 1, 29, 23, 59, 59, 999),
      Date.UTC(2024, 2, 1),
      Date.UTC(2025, 11, 31, 23, 59),
      Date.UTC(2026, 0, 1),
      Date.UTC(2026, 0, 31, 12),
    ]
    await appendCalls(
      store,
      times.map((at, n) => call(`req_${n}`, { at })),
    )
    const by = async (span: UsageQuery['span']) =>
      (await store.usage.list({ ...all, by: ['time'], span })).map(({ group, requests }) => [
        new Date(group[0] as number).toISOString(),
        requests,
      ])
    assert.deepEqual(await by('month'), [
      ['2024-02-01T00:00:00.000Z', 1],
      ['2024-03-01T00:00:00.000Z', 1],
      ['2025-12-01T00:00:00.000Z', 1],
      ['2026-01-01T00:00:00.000Z', 2],
    ])
    assert.deepEqual(
      (await by('day')).map(([day]) => day),
      [
        '2024-02-29T00:00:00.000Z',
        '2024-03-01T00:00:00.000Z',
        '2025-12-31T00:00:00.000Z',
        '2026-01-01T00:00:00.000Z',
        '2026-01-31T00:00:00.000Z',
      ],
    )
    assert.equal((await by('hour'))[0]?.[0], '2024-02-29T23:00:00.000Z')
  })

  withStore('shows an operator of projects these and no others', async store => {
    await appendCalls(store, [call('req_1'), call('req_2', { project: 'proj_b', key: 'key_2' })])
    const groups = async (over: Partial<UsageQuery>) =>
      (await store.usage.list({ ...all, by: ['project'], ...over })).map(({ group }) => group[0])
    assert.deepEqual(await groups({}), ['proj_a', 'proj_b'])
    assert.deepEqual(await groups({ projects: new Set(['proj_b']) }), ['proj_b'])
    assert.deepEqual(await groups({ projects: new Set(['proj_b']), project: 'proj_a' }), [])
    assert.deepEqual(await groups({ projects: new Set(['proj_b']), key: 'key_1' }), [])
    assert.deepEqual(await groups({ projects: new Set() }), [])
    assert.deepEqual(await store.usage.list({ ...all, projects: new Set() }), [], 'nor a sum of nothing')
  })

  withStore('lists page by page in one order, whatever is told apart', async store => {
    const models = ['a', 'B', 'ä', 'z', '0', '*']
    const calls = models.flatMap((model, m) =>
      ['key_1', 'key_2'].flatMap(key =>
        [0, 1, 2].map(h => call(`req_${m}${key}${h}`, { model, key, at: HOUR + h * HOUR_MS })),
      ),
    )
    await appendCalls(store, calls)
    for (const by of [['model'], ['time', 'model'], ['key', 'model'], ['time', 'key', 'model']] as UsageQuery['by'][]) {
      const whole = await store.usage.list({ ...all, by })
      const paged: (typeof whole)[number][] = []
      for (let after: UsageQuery['after']; ; ) {
        const page = await store.usage.list({ ...all, by, limit: 5, after })
        paged.push(...page)
        if (page.length < 5) break
        after = page.at(-1)?.group
      }
      assert.deepEqual(paged, whole)
      assert.equal(new Set(whole.map(({ group }) => group.join())).size, whole.length)
      assert.equal(
        whole.reduce((sum, { requests }) => sum + requests, 0),
        calls.length,
      )
    }
    const [first] = await store.usage.list({ ...all, by: ['model'] })
    assert.equal(first?.group[0], '*', 'by bytes, in every database')
  })

  withStore('filters by everything that it tells apart', async store => {
    const target = { provider: 'p', model: 'x', test: false }
    await appendCalls(store, [call('req_1'), call('req_2', { key: 'key_2', model: 'm', target })])
    const count = async (over: Partial<UsageQuery>) => (await store.usage.list({ ...all, ...over }))[0]?.requests ?? 0
    assert.deepEqual(
      [
        await count({ key: 'key_2' }),
        await count({ model: 'gpt-5' }),
        await count({ provider: 'p' }),
        await count({ environment: 'test' }),
        await count({ environment: 'live', project: 'proj_a' }),
        await count({ from: HOUR + HOUR_MS }),
        await count({ to: HOUR }),
        await count({ from: HOUR + 1, to: HOUR + 1 }),
        await count({ model: "' or 1=1 --" }),
      ],
      [1, 1, 1, 0, 2, 0, 0, 2, 0],
    )
  })
}
