import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import type { CallEvent } from '#core/events.ts'
import { adminScopes } from '#core/operator.ts'
import type { MeteredUsage } from '#core/usage.ts'
import { appendCalls, callEvent } from '../conformance/store-adapters.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, runCli } from '../support/process.ts'

const HOUR = Date.UTC(2026, 0, 31, 23)
const used: MeteredUsage = {
  source: 'provider',
  input: 1000,
  cachedInput: 400,
  cacheWrite: 0,
  output: 50,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
  imageInput: 0,
  imageOutput: 0,
}

function call(id: string, project: string, key: string, over: Partial<CallEvent> = {}): CallEvent {
  const principal = { kind: 'api_key', id: key, project, environment: 'live' } as const
  const target = { provider: 'openai', model: 'gpt-5', test: false }
  const own = { at: HOUR, principal, credential: key, model: 'gpt-5', target, usage: used, costNanoUsd: 1_290_000 }
  return callEvent(id, { ...own, ...over })
}

describe('usage', () => {
  let gateway: Gateway
  let root: string
  let projectA: string
  let projectB: string

  before(async () => {
    gateway = await startGateway()
    const { ostiary } = gateway
    const actor = internalActor('test')
    const settings = { description: null, metadata: {} }
    projectA = (await ostiary.projects.create({ name: 'alpha', ...settings }, actor)).id
    projectB = (await ostiary.projects.create({ name: 'beta', ...settings }, actor)).id
    root = bootstrapToken(gateway.dataDirectory)
    await appendCalls(
      ostiary.store,
      [
        call('req_1', projectA, 'key_a1'),
        call('req_2', projectA, 'key_a1', { at: HOUR + 3_599_999 }),
        call('req_3', projectA, 'key_a2', { at: HOUR + 3_600_000, usage: { ...used, source: 'estimate' } }),
        call('req_4', projectA, 'key_a2', { model: '=cmd|x', costNanoUsd: null }),
        call('req_5', projectB, 'key_b1', { costNanoUsd: 9_007_199_254_740_991 }),
        call('req_6', projectB, 'key_b1', { at: HOUR + 3_600_000, costNanoUsd: 9_007_199_254_740_991 }),
        call('req_7', projectB, 'key_b1', { model: '\u001b]0;owned\u0007', costNanoUsd: 1 }),
      ],
      99,
    )
  })
  after(() => gateway[Symbol.asyncDispose]())

  const get = async (query: string, { token = root, accept = '*/*' } = {}) => {
    const reply = await ask(`${gateway.adminUrl}/api/usage?${query}`, {
      method: 'GET',
      headers: { authorization: `Bearer ${token}`, accept },
    })
    return { ...reply, json: () => JSON.parse(reply.text) }
  }
  const FROM = 'from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z'

  const cli = (...args: string[]) =>
    runCli(
      {
        OSTIARY_CONFIG: gateway.configFile,
        OSTIARY_DATA_DIR: gateway.dataDirectory,
        OSTIARY_LISTENERS_ADMIN_URL: gateway.adminUrl,
      },
      'usage',
      ...args,
    )

  /** A token of less than everything; the bootstrap token stays. */
  const tokenFor = async (projects: string[]) => {
    const reply = await ask(`${gateway.adminUrl}/api/tokens`, {
      headers: { authorization: `Bearer ${root}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'reader', scopes: ['usage:read', 'projects:read'], projects }),
    })
    return JSON.parse(reply.text).secret as string
  }

  test('is summed by what is named, in the order in which it is named', async () => {
    const { usage, next, from } = (await get(`${FROM}&by=day,key&project=alpha`)).json()
    assert.deepEqual([next, from], [null, '2026-01-01T00:00:00.000Z'])
    assert.deepEqual(
      usage.map(({ time, key, requests, input_tokens: input, cost_usd: cost }: Record<string, unknown>) => [
        time,
        key,
        requests,
        input,
        cost,
      ]),
      [
        ['2026-01-31T00:00:00.000Z', 'key_a1', 2, 2000, '0.00258'],
        ['2026-01-31T00:00:00.000Z', 'key_a2', 1, 1000, '0'],
        ['2026-02-01T00:00:00.000Z', 'key_a2', 1, 1000, '0.00129'],
      ],
    )
    const [sum] = (await get(`${FROM}&by=month,provider,environment&model=gpt-5&project=${projectA}`)).json().usage
    assert.deepEqual(sum, {
      time: '2026-01-01T00:00:00.000Z',
      provider: 'openai',
      environment: 'live',
      requests: 2,
      failed: 0,
      refused: 0,
      input_tokens: 2000,
      cached_input_tokens: 800,
      cache_write_tokens: 0,
      output_tokens: 100,
      reasoning_tokens: 0,
      audio_input_tokens: 0,
      audio_output_tokens: 0,
      image_input_tokens: 0,
      image_output_tokens: 0,
      cost_usd: '0.00258',
      unpriced: 0,
      estimated: 0,
    })
  })

  test('of more money than numbers are exact to is exact', async () => {
    const [sum] = (await get(`${FROM}&by=project&project=beta`)).json().usage
    assert.equal(sum.cost_usd, '18014398.509481983')
  })

  test('goes on from page to page, as JSON and as CSV', async () => {
    const by = 'by=hour,key,model'
    const whole = (await get(`${FROM}&${by}`)).json().usage
    assert.equal(whole.length, 6)
    const rows = []
    for (let after: string | null = ''; after !== null; ) {
      const page = (await get(`${FROM}&${by}&limit=2${after && `&after=${after}`}`)).json()
      rows.push(...page.usage)
      after = page.next
    }
    assert.deepEqual(rows, whole)
    const first = await get(`${FROM}&${by}&limit=4`, { accept: 'text/csv' })
    const path = /^<\/api\/usage\?([^>]+)>; rel="next"$/.exec(String(first.headers.link))?.[1] ?? ''
    const second = await get(path, { accept: 'text/csv' })
    assert.equal(second.headers.link, undefined)
    assert.deepEqual(
      [first, second].map(({ text }) => text.split('\r\n').length),
      [6, 4],
    )
  })

  test('as CSV runs nothing in a spreadsheet', async () => {
    const reply = await get(`${FROM}&by=model&key=key_a2`, { accept: 'text/csv' })
    assert.equal(reply.headers['content-type'], 'text/csv; charset=utf-8')
    const [head, first, second, end] = reply.text.split('\r\n')
    assert.match(head ?? '', /^model,requests,failed,refused,input_tokens,.*,cost_usd,unpriced,estimated$/)
    assert.equal(first, "'=cmd|x,1,0,0,1000,400,0,50,0,0,0,0,0,0,1,0")
    assert.equal(second, 'gpt-5,1,0,0,1000,400,0,50,0,0,0,0,0,0.00129,0,1')
    assert.equal(end, '')
    for (const accept of ['application/json', 'text/csv;q=0', 'text/csv;q=0.5, application/json', '*/*']) {
      assert.match(String((await get(FROM, { accept })).headers['content-type']), /json/, accept)
    }
    assert.match(String((await get(FROM, { accept: 'text/csv, */*;q=0.1' })).headers['content-type']), /csv/)
  })

  test('of a project is for its operators alone, whatever is asked for', async () => {
    const alpha = await tokenFor([projectA])
    const list = async (query: string, token = alpha) => (await get(`${FROM}&${query}`, { token })).json()
    const projects = (await list('by=project')).usage.map(({ project }: { project: string }) => project)
    assert.deepEqual(projects, [projectA])
    for (const query of [`project=${projectB}`, 'key=key_b1', `by=key&project=${projectB}`]) {
      assert.deepEqual((await list(query)).usage, [], query)
    }
    // A name is known or not: no more than for one that there is not.
    assert.equal((await list('project=beta')).code, 'project.not_found')
    assert.equal((await list('project=gamma')).code, 'project.not_found')
    // The cursor of somebody who sees all leads to no more.
    const { next } = (await get(`${FROM}&by=project&limit=1`)).json()
    assert.ok(
      next === null ||
        !(await list(`by=project&after=${next}`)).usage.some((row: { project: string }) => row.project !== projectA),
    )
    const csv = await get(`${FROM}&by=project,key`, { token: alpha, accept: 'text/csv' })
    assert.ok(!csv.text.includes(projectB) && csv.text.includes(projectA))
  })

  test('needs its scope', async () => {
    const reply = await ask(`${gateway.adminUrl}/api/tokens`, {
      headers: { authorization: `Bearer ${root}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'other', scopes: ['audit:read', 'keys:read'] }),
    })
    const refused = await get(FROM, { token: JSON.parse(reply.text).secret })
    assert.deepEqual([refused.status, refused.json().code], [403, 'admin.forbidden'])
    assert.ok(adminScopes.includes('usage:read'))
  })

  for (const query of [
    'by=day,hour',
    'by=key,key',
    'by=nothing',
    'by=',
    'by=project,',
    'from=2026-02-31T25:00:00Z',
    'from=yesterday',
    'after=WyJhIl0',
    'by=day&after=WyJhIl0',
    'by=key&after=WyJcdTAwMDAiXQ',
    'by=key&after=W10',
    'by=key&after=bm8',
    'model=%00',
    'limit=0',
    'limit=1001',
    'surprise=1',
  ]) {
    test(`asked for by ${query} is no sensible question`, async () => {
      const { status, json } = await get(`${FROM}&${query}`.replace(/^.*&from/, 'from'))
      assert.deepEqual([status, json().code], [400, 'admin.invalid_input'])
    })
  }

  test('counts calls as they are made, those refused among them', async () => {
    const headers = { authorization: `Bearer ${gateway.testKey}`, 'content-type': 'application/json' }
    const chat = (model: string) =>
      ask(`${gateway.url}/v1/chat/completions`, {
        headers,
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
      })
    const { data } = JSON.parse((await ask(`${gateway.url}/v1/models`, { method: 'GET', headers })).text)
    const model = data[0].id as string
    assert.equal((await chat(model)).status, 200)
    assert.equal((await chat('no-such-model')).status, 404)
    const rows = await until('the calls are counted', async () => {
      const { usage } = (await get('by=model&project=default')).json()
      const requests = usage.reduce((sum: number, row: { requests: number }) => sum + row.requests, 0)
      return requests === 3 && usage
    })
    const told = rows.map(({ model: name, requests, refused }: Record<string, unknown>) => [name, requests, refused])
    // The list of models and the name that there is not came to no model.
    assert.deepEqual(told, [
      ['', 2, 1],
      [model, 1, 0],
    ])
  })

  test('is a table for people, with totals, dearest first', async () => {
    const { code, stdout, stderr } = await cli('--from', '2026-01-01', '--to', '2026-03-01')
    assert.deepEqual([code, stderr], [0, ''])
    const lines = stdout.split('\n')
    assert.match(lines[0] ?? '', /^PROJECT +MODEL +REQUESTS +FAILED +REFUSED +INPUT +OUTPUT +COST$/)
    assert.match(lines[1] ?? '', new RegExp(`^${projectB} +gpt-5 +2 +0 +0 +2,000 +100 +\\$18,014,398\\.5095$`))
    assert.match(lines[2] ?? '', /gpt-5 +3 +0 +0 +3,000 +150 +\$0\.0039$/)
    assert.match(stdout, /^total +7 +0 +0 +7,000 +350 +\$18,014,398\.5134$/m)
    assert.match(stdout, /<\$0\.0001/)
    assert.match(stdout, /What 1 of the calls cost is not in it/)
    assert.match(stdout, /Of 1 of the calls the gateway estimated/)
    assert.ok(
      !stdout.includes('\u001b') && !stdout.includes('\u0007'),
      'what callers chose does not write to the terminal',
    )
  })

  test('is JSON or CSV for programs, all pages of it', async () => {
    const json = await cli('--from', '2026-01-01', '--to', '2026-03-01', '--by', 'hour,key', '--json')
    assert.equal(JSON.parse(json.stdout).usage.length, 5)
    const csv = await cli('--from', '2026-01-01', '--to', '2026-03-01', '--by', 'month', '--csv', '--project', 'alpha')
    assert.equal(csv.stdout.split('\r\n')[1], '2026-01-01T00:00:00.000Z,3,0,0,3000,1200,0,150,0,0,0,0,0,0.00258,1,0')
    const none = await cli('--from', '2020-01-01', '--to', '2020-01-02', '--csv')
    assert.match(none.stdout, /^project,model,requests,.*\r\n$/)
    const empty = await cli('--from', '2020-01-01', '--to', '2020-01-02')
    assert.equal(empty.stdout, 'No calls since 2020-01-01T00:00:00.000Z.\n')
    const days = await cli('--from', '2026-01-01', '--to', '2026-03-01', '--by', 'day', '--key', 'key_a2')
    assert.match(days.stdout, /^2026-01-31 +1 .*\n2026-02-01 +1 /m)
  })

  for (const args of [['--csv', '--json'], ['--from', 'x'], ['--environment', 'prod'], ['--nothing'], ['extra']]) {
    test(`${args.join(' ')} is wrong usage`, async () => {
      const { code, stdout, stderr } = await cli(...args)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /cli\.usage/)
    })
  }

  test('by something that there is not is refused with the words that there are', async () => {
    const { code, stderr } = await cli('--by', 'project,team')
    assert.equal(code, 2)
    assert.match(stderr, /--by team: there are project, key, model, provider, environment, hour, day, month\./)
    const twice = await cli('--by', 'day,month')
    assert.equal(twice.code, 1)
    assert.match(twice.stderr, /admin\.invalid_input/)
  })
})

test('hours older than are kept are gone after a start, all others stay; null keeps all', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ostiary-'))
  const DAY_MS = 86_400_000
  const now = Date.now()
  try {
    const sums = async (yaml: string, before?: (gateway: Gateway) => Promise<void>) => {
      await using gateway = await startGateway({ folder, yaml })
      await before?.(gateway)
      const { store } = gateway.ostiary
      return (await store.usage.list({ by: [], from: 0, projects: null, limit: 1 }))[0]?.requests
    }
    const all = await sums('usage: { retentionDays: null }\n', async ({ ostiary }) => {
      const calls = [400, 64, 63, 61, 1].map(days =>
        call(`req_${days}`, 'proj_1', 'key_1', { at: now - days * DAY_MS }),
      )
      // More groups of one hour than a step deletes.
      const many = Array.from({ length: 1100 }, (_, i) =>
        call(`req_many_${i}`, 'proj_1', `key_${i}`, { at: now - 100 * DAY_MS }),
      )
      await appendCalls(ostiary.store, [...calls, ...many], 99)
    })
    assert.equal(all, 1105)
    assert.equal(await sums('usage: { retentionDays: null }\n'), 1105)
    await using gateway = await startGateway({ folder, yaml: 'usage: { retentionDays: 62 }\n' })
    const { store } = gateway.ostiary
    const left = () => store.usage.list({ by: ['time'], span: 'hour', from: 0, projects: null, limit: 10 })
    const hours = await until('the old ones are gone', async () => {
      const rows = await left()
      return rows.length === 2 ? rows : undefined
    })
    const hourOf = (days: number) => Math.floor((now - days * DAY_MS) / 3_600_000) * 3_600_000
    assert.deepEqual(
      hours.map(({ group, requests }) => [group, requests]),
      [61, 1].map(days => [[hourOf(days)], 1]),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
