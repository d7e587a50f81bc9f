import assert from 'node:assert/strict'
import { test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, startGateway, until } from '../support/gateway.ts'
import { bootstrapToken, callOnce } from '../support/process.ts'
import { sendJson, startProvider } from '../support/provider.ts'

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = '[a-z_][a-z0-9_]*'
const SAMPLE = new RegExp(`^(${NAME})(?:\\{((?:${NAME}="[^"\\\\\\n]*",?)*)\\})? (-?[0-9.e+-]+)$`)

/** Reads OpenMetrics 1.0 as strictly as a scraper may: each family declared once, its samples behind it, the end marked. */
function parse(text: string): Sample[] {
  const lines = text.split('\n')
  assert.deepEqual(lines.slice(-2), ['# EOF', ''])
  const families = new Map<string, string>()
  const seen = new Set<string>()
  const samples: Sample[] = []
  let family = ''
  for (const line of lines.slice(0, -2)) {
    const [, type, help] =
      new RegExp(`^# (?:TYPE (${NAME} (?:counter|gauge|histogram))|HELP (${NAME} [^\\\\]+))$`).exec(line) ?? []
    if (type !== undefined) {
      const [name = '', kind = ''] = type.split(' ')
      assert.ok(!families.has(name), line)
      families.set(name, kind)
      family = name
    } else if (help !== undefined) assert.equal(help.split(' ')[0], family)
    else {
      const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? assert.fail(line)
      const suffixes = { counter: ['_total'], gauge: [''], histogram: ['_bucket', '_sum', '_count'] }
      const allowed = suffixes[families.get(family) as keyof typeof suffixes].map(suffix => family + suffix)
      assert.ok(allowed.includes(name), line)
      assert.ok(!seen.has(`${name}{${labels}}`), `twice: ${line}`)
      seen.add(`${name}{${labels}}`)
      const pairs = [...labels.matchAll(/([a-z0-9_]+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text])
      samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) })
    }
  }
  return samples
}

function scrape({ adminUrl }: Pick<Gateway, 'adminUrl'>, token: string) {
  return ask(`${adminUrl}/metrics`, { method: 'GET', headers: { authorization: `Bearer ${token}` } })
}

/** The sum of the series that have these labels. */
function totalOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter(each => each.name === name && Object.entries(labels).every(([label, text]) => each.labels[label] === text))
    .reduce((sum, { value }) => sum + value, 0)
}

test('what was called is counted at once, by route, outcome and problem', async () => {
  await using gateway = await startGateway({ workers: 2 })
  const { url, testKey, ostiary } = gateway
  const token = bootstrapToken(gateway.dataDirectory)
  for (let n = 0; n < 7; n++) assert.equal((await callOnce(url, testKey)).status, 200)
  for (let n = 0; n < 3; n++) assert.equal((await callOnce(url, 'wrong')).status, 401)
  assert.equal((await callOnce(url, testKey, { body: '{}' })).status, 400)
  const embeddings = JSON.stringify({ model: 'sandbox', input: 'x' })
  const headers = { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' }
  assert.equal((await ask(`${url}/v1/embeddings`, { headers, body: embeddings })).status, 200)
  assert.equal((await ask(`${url}/nowhere`, { headers })).status, 404)
  assert.equal((await ask(`${url}/v1/models`, { method: 'GET', headers: { host: 'a,b' } })).status, 400)

  const reply = await until('all events', async () => {
    const reply = await scrape(gateway, token)
    return totalOf(parse(reply.text), 'ostiary_calls_total') === 13 && reply
  })
  assert.equal(reply.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  const samples = parse(reply.text)
  const count = (labels: Record<string, string>) => totalOf(samples, 'ostiary_calls_total', labels)
  assert.equal(count({ route: 'openai.chat', outcome: 'completed' }), 7)
  assert.equal(count({ route: 'openai.chat', outcome: 'refused' }), 4)
  assert.equal(count({ route: 'openai.embeddings', outcome: 'completed' }), 1)
  assert.equal(count({ route: 'other', outcome: 'refused' }), 1)
  const problem = (code: string) => totalOf(samples, 'ostiary_problems_total', { code })
  assert.equal(problem('auth.invalid_credential'), 3)
  assert.equal(problem('route.not_found'), 1)
  assert.equal(problem('request.malformed'), 1)
  const asked = { gen_ai_operation_name: 'chat', gen_ai_provider_name: 'openai' }
  assert.equal(totalOf(samples, 'gen_ai_client_operation_duration_seconds_count', asked), 7)
  assert.equal(totalOf(samples, 'gen_ai_client_operation_duration_seconds_bucket', { ...asked, le: '+Inf' }), 7)
  assert.ok(totalOf(samples, 'gen_ai_client_operation_duration_seconds_sum', asked) > 0)
  assert.ok(totalOf(samples, 'ostiary_received_bytes_total') > 7 * 50)
  assert.equal(totalOf(samples, 'ostiary_workers'), 2)
  assert.equal(totalOf(samples, 'ostiary_store_up'), 1)
  assert.equal(totalOf(samples, 'ostiary_recording_up'), 1)
  assert.equal(totalOf(samples, 'ostiary_config_generation'), 1)
  assert.ok(Math.abs(totalOf(samples, 'process_start_time_seconds') - (Date.now() / 1000 - process.uptime())) < 2)

  // What was counted stays counted when its worker dies; a reload shows.
  await ostiary.supervisor.workers[0]?.terminate()
  await until('the replacement', () => ostiary.supervisor.workers.length === 2)
  await ostiary.reload('test')
  const after = parse((await scrape(gateway, token)).text)
  assert.equal(totalOf(after, 'ostiary_calls_total'), 13)
  assert.equal(totalOf(after, 'ostiary_worker_replacements_total'), 1)
  assert.equal(totalOf(after, 'ostiary_config_generation'), 2)
})

test('tells the tokens and the cost of calls, and for which of them it estimated or knew no price', async () => {
  const choices = [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hi' } }]
  const answer = { id: 'chatcmpl-1', object: 'chat.completion', created: 0, model: 'x', choices }
  const usage = { prompt_tokens: 1000, completion_tokens: 50, total_tokens: 1050 }
  await using provider = await startProvider(({ body }, res) => {
    const { model } = JSON.parse(body.toString())
    if (model === 'silent') return sendJson(res, 200, answer)
    if (model === 'refused') return sendJson(res, 400, { error: { message: 'no' } })
    return sendJson(res, 200, { ...answer, usage })
  })
  await using gateway = await startGateway({
    yaml: `
providers:
  own: { format: openai, baseUrl: '${provider.url}', credential: env:KEY }
models:
  dear: { provider: own, price: { input: 1000, output: 2000, request: 1 } }
  silent: { provider: own, price: { input: 0, output: 0 } }
  refused: { provider: own, price: { input: 1, output: 1 } }
  unpriced: { provider: own }
`,
    env: { KEY: 'key-of-the-provider' },
    workers: 2,
  })
  const headers = { authorization: `Bearer ${await gateway.liveKey()}`, 'content-type': 'application/json' }
  const ended: Record<string, number> = {}
  for (const model of ['dear', 'dear', 'dear', 'silent', 'refused', 'unpriced', 'unpriced', 'nothing']) {
    const content = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] })
    const { status } = await ask(`${gateway.url}/v1/chat/completions`, { headers, body: content })
    ended[status] = (ended[status] ?? 0) + 1
  }
  assert.deepEqual(ended, { 200: 6, 400: 1, 404: 1 })
  const token = bootstrapToken(gateway.dataDirectory)
  const samples = await until('all events', async () => {
    const samples = parse((await scrape(gateway, token)).text)
    return totalOf(samples, 'ostiary_calls_total') === 8 && samples
  })
  const tokens = (what: string, labels: Record<string, string>) =>
    totalOf(samples, `gen_ai_client_token_usage_${what}`, { gen_ai_provider_name: 'openai', ...labels })
  const input = { gen_ai_token_type: 'input', gen_ai_operation_name: 'chat' }
  const output = { gen_ai_token_type: 'output', gen_ai_operation_name: 'chat' }
  // Five that the provider counted, and the one that was estimated; a refused call has used nothing.
  assert.deepEqual([tokens('count', input), tokens('count', output)], [6, 6])
  assert.equal(tokens('bucket', { ...input, le: '1024.0' }) - tokens('bucket', { ...input, le: '256.0' }), 5)
  assert.ok(tokens('sum', input) > 5000 && tokens('sum', input) < 5100)
  assert.ok(tokens('sum', output) > 250 && tokens('sum', output) < 300)
  // Three times a dollar, a thousand tokens at a tenth of a cent, and fifty at twice that.
  assert.ok(Math.abs(totalOf(samples, 'ostiary_cost_usd_total') - 6.3) < 1e-9)
  assert.equal(totalOf(samples, 'ostiary_estimated_calls_total'), 1)
  assert.equal(totalOf(samples, 'ostiary_unpriced_calls_total'), 2)
})

test('shows what is under way in each worker, and how late its loop is', async () => {
  await using gateway = await startGateway({ workers: 1 })
  const { url, testKey } = gateway
  const token = bootstrapToken(gateway.dataDirectory)
  const now = async (name: string, labels: Record<string, string>) =>
    totalOf(parse((await scrape(gateway, token)).text), name, labels)
  const calls = [1, 2, 3].map(() => callOnce(url, testKey, { headers: { 'x-ostiary-sandbox': 'latency=4000' } }))
  await until('three calls', async () => (await now('ostiary_running_calls', { worker: '1' })) === 3)
  assert.equal(await now('ostiary_connections', { worker: '1' }), 3)
  const [p50, p99, max] = await Promise.all(
    ['p50', 'p99', 'max'].map(stat => now('ostiary_event_loop_delay_seconds', { worker: '1', stat })),
  )
  assert.ok((p50 ?? -1) >= 0 && (p50 ?? 0) <= (p99 ?? 0) && (p99 ?? 0) <= (max ?? 0) && (max ?? 0) > 0)
  await Promise.all(calls)
  await until('their end', async () => (await now('ostiary_running_calls', { worker: '1' })) === 0)
})

test('shows what was capped and shed', async () => {
  await using gateway = await startGateway({
    env: {
      OSTIARY_REQUESTS_UNCAPPED_ADDRESSES: '[]',
      OSTIARY_REQUESTS_MAX_CONNECTIONS_PER_ADDRESS: '4',
      OSTIARY_OVERLOAD_MAX_FAILURES_PER_SECOND: '1',
    },
  })
  const { url, testKey } = gateway
  const slow = { headers: { 'x-ostiary-sandbox': 'latency=1000' } }
  const results = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map(() => callOnce(url, testKey, slow)))
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 3)
  const scraped = async () => parse((await scrape(gateway, bootstrapToken(gateway.dataDirectory))).text)
  await until('the four to be gone', async () => totalOf(await scraped(), 'ostiary_connections', {}) === 0)
  await Promise.all([1, 2, 3, 4].map(() => callOnce(url, 'wrong')))
  const samples = await scraped()
  assert.equal(totalOf(samples, 'ostiary_capped_connections_total', { cap: 'connections' }), 3)
  assert.equal(totalOf(samples, 'ostiary_problems_total', { code: 'request.too_many_connections' }), 3)
  assert.ok(totalOf(samples, 'ostiary_shed_total', { reason: 'late' }) >= 2)
})

test('needs the scope, and an operator of the whole gateway', async () => {
  await using gateway = await startGateway()
  const bootstrap = bootstrapToken(gateway.dataDirectory)
  assert.equal((await ask(`${gateway.adminUrl}/metrics`, { method: 'GET' })).status, 401)
  assert.equal((await scrape(gateway, 'so_wrong')).status, 401)
  assert.equal((await ask(`${gateway.url}/metrics`, { method: 'GET' })).status, 401, 'not on the public listener')
  const project = await gateway.ostiary.projects.create(
    { name: 'one', description: null, metadata: {} },
    internalActor('test'),
  )
  const tokens: Record<string, string> = {}
  for (const [name, body] of Object.entries({
    admin: { scopes: ['tokens:write', 'metrics:read', 'keys:read'] },
    reader: { scopes: ['metrics:read'] },
    other: { scopes: ['keys:read'] },
    limited: { scopes: ['metrics:read'], projects: [project.id] },
  })) {
    const reply = await ask(`${gateway.adminUrl}/api/tokens`, {
      headers: { authorization: `Bearer ${tokens.admin ?? bootstrap}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, ...body }),
    })
    tokens[name] = JSON.parse(reply.text).secret ?? assert.fail(reply.text)
  }
  const statuses = await Promise.all(
    ['reader', 'other', 'limited'].map(async name => (await scrape(gateway, tokens[name] ?? '')).status),
  )
  assert.deepEqual(statuses, [200, 403, 403])
})

test('holds no key, id of a key or project', async () => {
  await using gateway = await startGateway()
  assert.equal((await callOnce(gateway.url, gateway.testKey)).status, 200)
  const { principal } = (await gateway.events())[0] ?? assert.fail()
  const { text } = await scrape(gateway, bootstrapToken(gateway.dataDirectory))
  for (const secret of [gateway.testKey, principal?.id, principal?.project, gateway.testKey.slice(-6)]) {
    assert.ok(!text.includes(String(secret)), String(secret))
  }
})
