import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { ChangeEvent, ChangeType } from '#core/events.ts'
import type { Store } from '#store/ports.ts'
import type { SecretVersion } from '#store/secrets-port.ts'
import { adapters, type StoreUnderTest } from './store-adapters.ts'

const conflict = { name: 'Problem', code: 'store.conflict' }
const NOW = 1_800_000_000_123

function version(name: string, number: number, over: Partial<SecretVersion> = {}): SecretVersion {
  return {
    id: `sec_${name}`,
    name,
    version: number,
    kekId: 'aaaaaaaaaaaa',
    wrappedKey: `key of ${name} ${number}`,
    ciphertext: `text of ${name} ${number}`,
    createdAt: NOW + number,
    endsAt: null,
    ...over,
  }
}

let events = 0
function event(type: ChangeType = 'secret.set', subject = 'a'): ChangeEvent {
  const id = `evt_${++events}`
  return { type, id, at: NOW, actor: 'op', source: null, requestId: null, project: null, subject, detail: null }
}

type WithStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) => void

for (const [name, start] of Object.entries(adapters)) {
  describe(`secrets on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())
    const withStore: WithStore = (title, check) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check(await database.connect(), database)
      })
    versionsBehave(withStore)
    listsBehave(withStore)
    keksBehave(withStore)
  })
}

function versionsBehave(withStore: WithStore): void {
  withStore('gives a version back as it was written, and its event', async ({ secrets, events }) => {
    const written = version('openai', 1, { ciphertext: 'x'.repeat(90_000) })
    const said = event()
    await secrets.put(written, null, said)
    assert.deepEqual(await secrets.find('openai'), [written])
    assert.deepEqual(await secrets.find('openal'), [])
    assert.deepEqual(await events.list({ limit: 5 }), [said])
  })

  withStore('keeps the version before until its end, and no older one', async ({ secrets }) => {
    await secrets.put(version('a', 1), null, event())
    await secrets.put(version('a', 2), NOW + 100, event())
    await secrets.put(version('a', 3), NOW + 200, event())
    assert.deepEqual(
      (await secrets.find('a')).map(({ version, endsAt }) => [version, endsAt]),
      [
        [3, null],
        [2, NOW + 200],
      ],
    )
  })

  withStore('destroys all earlier versions where the one before ends at once', async ({ secrets }, database) => {
    await secrets.put(version('a', 1), null, event())
    await secrets.put(version('a', 2), NOW + 100, event())
    await secrets.put(version('a', 3), null, event())
    const rows = await database.query('select ciphertext from secret_versions')
    assert.deepEqual(
      rows.map(row => row.ciphertext),
      ['text of a 3'],
    )
  })

  withStore('lets no two writers write the same version, nor skip one', async ({ secrets, events }) => {
    await secrets.put(version('a', 1), null, event())
    await secrets.put(version('a', 2), null, event())
    await assert.rejects(secrets.put(version('a', 2), null, event()), conflict)
    await assert.rejects(secrets.put(version('a', 4), null, event()), conflict)
    await assert.rejects(secrets.put(version('a', 1), null, event()), conflict)
    await assert.rejects(secrets.put(version('a', 1, { id: 'sec_other' }), null, event()), conflict)
    assert.deepEqual(
      (await secrets.find('a')).map(({ version }) => version),
      [2],
    )
    assert.equal((await events.list({ limit: 9 })).length, 2)
  })

  withStore('changes nothing where the event cannot be written', async ({ secrets }) => {
    const said = event()
    await secrets.put(version('a', 1), null, said)
    await assert.rejects(secrets.put(version('a', 2), null, said), conflict)
    await assert.rejects(secrets.delete('sec_a', said), conflict)
    await assert.rejects(secrets.rewrap([], said), conflict)
    assert.deepEqual(await secrets.find('a'), [version('a', 1)])
  })

  withStore('deletes a secret with its versions and says so once', async ({ secrets, events }, database) => {
    await secrets.put(version('a', 1), null, event())
    await secrets.put(version('a', 2), NOW, event())
    await secrets.put(version('b', 1), null, event())
    assert.equal(await secrets.delete('sec_a', event('secret.deleted')), true)
    assert.equal(await secrets.delete('sec_a', event('secret.deleted')), false)
    const rows = await database.query('select secret from secret_versions')
    assert.deepEqual(
      rows.map(({ secret }) => secret),
      ['sec_b'],
    )
    assert.equal(await secrets.count(), 1)
    assert.equal((await events.list({ limit: 9, type: 'secret.deleted' })).length, 1)
  })

  withStore('destroys a version that ends, and never the one in use', async ({ secrets }) => {
    await secrets.put(version('a', 1), null, event())
    await secrets.put(version('a', 2), NOW + 5, event())
    assert.equal(await secrets.deleteVersion('sec_a', 2, event('secret.deleted')), false)
    assert.equal(await secrets.deleteVersion('sec_a', 1, event('secret.deleted')), true)
    assert.equal(await secrets.deleteVersion('sec_a', 1, event('secret.deleted')), false)
    assert.deepEqual(await secrets.find('a'), [version('a', 2)])
  })
}

function listsBehave(withStore: WithStore): void {
  withStore('lists by name, in pages, without what is sealed', async ({ secrets }) => {
    for (const name of ['b', 'B', 'a-b', 'a', 'c']) await secrets.put(version(name, 1), null, event())
    await secrets.put(version('b', 2), NOW + 9, event())
    const first = await secrets.list({ limit: 3 })
    assert.deepEqual(
      first.map(([{ name }]) => name),
      ['B', 'a', 'a-b'],
    )
    const rest = await secrets.list({ limit: 3, after: 'a-b' })
    assert.deepEqual(
      rest.map(versions => versions.map(({ name, version, endsAt }) => [name, version, endsAt])),
      [
        [
          ['b', 2, null],
          ['b', 1, NOW + 9],
        ],
        [['c', 1, null]],
      ],
    )
    assert.doesNotMatch(JSON.stringify([first, rest]), /text of|key of/)
    assert.deepEqual(await secrets.list({ limit: 3, after: 'c' }), [])
  })

  withStore('names the versions that end, the first to end first', async ({ secrets }) => {
    for (const [name, endsAt] of Object.entries({ a: 30, b: 10, c: 20 })) {
      await secrets.put(version(name, 1), null, event())
      await secrets.put(version(name, 2), NOW + endsAt, event())
    }
    assert.deepEqual(
      (await secrets.ending(2)).map(({ name, version, endsAt }) => [name, version, endsAt]),
      [
        ['b', 1, NOW + 10],
        ['c', 1, NOW + 20],
      ],
    )
  })
}

function keksBehave(withStore: WithStore): void {
  const after = { kekId: 'bbbbbbbbbbbb', wrappedKey: 'anew' }

  withStore('puts data keys under another KEK, where they are as they were read', async ({ secrets }) => {
    await secrets.put(version('a', 1), null, event())
    await secrets.put(version('b', 1), null, event())
    const read = await secrets.underOtherKek(after.kekId, 10)
    assert.equal(read.length, 2)
    await secrets.put(version('b', 2, { wrappedKey: 'newer' }), null, event())
    const keys = read.map(({ id, version, kekId, wrappedKey }) => ({
      id,
      version,
      before: { kekId, wrappedKey },
      after,
    }))
    assert.equal(await secrets.rewrap(keys, event('secret.rewrapped')), 1)
    assert.deepEqual(await secrets.find('a'), [version('a', 1, after)])
    assert.deepEqual(await secrets.find('b'), [version('b', 2, { wrappedKey: 'newer' })])
    assert.deepEqual(
      await secrets.countByKek(),
      new Map([
        ['aaaaaaaaaaaa', 1],
        ['bbbbbbbbbbbb', 1],
      ]),
    )
    assert.deepEqual(await secrets.underOtherKek(after.kekId, 10), [version('b', 2, { wrappedKey: 'newer' })])
  })
}
