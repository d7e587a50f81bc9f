import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { ask, type Gateway, startGateway } from '../support/gateway.ts'
import { bootstrapToken } from '../support/process.ts'

let gateway: Gateway
before(async () => {
  gateway = await startGateway()
})
after(() => gateway[Symbol.asyncDispose]())

function mint(key: string, body: object = { name: 'once' }, token = bootstrapToken(gateway.dataDirectory)) {
  return ask(`${gateway.adminUrl}/api/keys`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(body),
  })
}

const keys = async () => (await gateway.ostiary.keys.list({ limit: 1000 }, internalActor('test'))).length

function rows(): { answer: string | null }[] {
  using database = new DatabaseSync(gateway.ostiary.dataDirectory.database, { readOnly: true })
  return database.prepare('select answer from idempotency_keys').all() as { answer: string | null }[]
}

test('of many equal requests at once, one key is minted, and all who are answered get it', async () => {
  const before = await keys()
  const key = randomUUID()
  const all = await Promise.all(Array.from({ length: 16 }, () => mint(key)))
  const secrets = new Set(all.filter(({ status }) => status === 201).map(({ text }) => JSON.parse(text).secret))
  assert.equal(secrets.size, 1)
  for (const { status, text, headers } of all) {
    if (status === 201) continue
    assert.deepEqual([status, JSON.parse(text).code, headers['retry-after']], [409, 'admin.idempotency_in_flight', '1'])
  }
  assert.equal(await keys(), before + 1)
  assert.deepEqual(
    [...secrets],
    [JSON.parse((await mint(key)).text).secret],
    'the secret is shown again to who holds the key',
  )
})

test('a request that was refused has used nothing up', async () => {
  const key = randomUUID()
  const before = rows().length
  const refused = await mint(key, { name: 'x', expires_in: 3_000_000_000 })
  assert.equal(refused.status, 400)
  assert.equal(JSON.parse(refused.text).code, 'key.lifetime_exceeded')
  assert.equal(rows().length, before)
  assert.equal((await mint(key)).status, 201)
})

test('a request whose end nobody knows is not done again', async () => {
  const key = randomUUID()
  assert.equal((await mint(key)).status, 201)
  // As if the process had ended between the commit and the answer.
  using database = new DatabaseSync(gateway.ostiary.dataDirectory.database, { timeout: 5000 })
  database.exec('update idempotency_keys set answer = null')
  const before = await keys()
  assert.equal((await mint(key)).status, 409)
  assert.equal(await keys(), before)
})

test('a kept answer cannot be read or moved without the idempotency key', async () => {
  const [key, other] = [randomUUID(), randomUUID()]
  const first = await mint(key, { name: 'first' })
  const second = await mint(other, { name: 'second' })
  const { secret } = JSON.parse(first.text)
  for (const { answer } of rows()) assert.ok(!Buffer.from(answer ?? '', 'base64').includes(secret))
  // Whoever may write to the database puts one answer under another request.
  using database = new DatabaseSync(gateway.ostiary.dataDirectory.database, { timeout: 5000 })
  const newest = database.prepare('select rowid, answer from idempotency_keys order by rowid desc limit 2').all() as {
    rowid: number
    answer: string
  }[]
  const update = database.prepare('update idempotency_keys set answer = ? where rowid = ?')
  update.run(newest[1]?.answer as string, newest[0]?.rowid as number)
  const replayed = await mint(other, { name: 'second' })
  assert.deepEqual([replayed.status, JSON.parse(replayed.text).code], [500, 'gateway.internal'])
  assert.ok(!replayed.text.includes(secret))
  assert.equal(second.status, 201)
})

test('without the header each request is one', async () => {
  const before = await keys()
  const token = bootstrapToken(gateway.dataDirectory)
  for (const _ of [1, 2]) {
    await ask(`${gateway.adminUrl}/api/keys`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"name":"each"}',
    })
  }
  assert.equal(await keys(), before + 2)
})
