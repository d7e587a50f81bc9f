import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { pino } from 'pino'
import { loadConfig } from '#config/load.ts'
import { internalActor } from '#core/actor.ts'
import type { ChangeEvent } from '#core/events.ts'
import { Secret } from '#core/secret.ts'
import { createLiveSecrets } from '#live-secrets.ts'
import { openDataDirectory } from '#secrets/data-directory.ts'
import { type KeyRing, openKeyRing } from '#secrets/key-ring.ts'
import { createVault } from '#secrets/vault.ts'
import type { Store } from '#store/ports.ts'
import type { SecretStore } from '#store/secrets-port.ts'
import { adapters, type StoreUnderTest } from './store-adapters.ts'

const unreadable = { name: 'Problem', code: 'secret.unreadable' }
const by = internalActor('test')
const NOW = 1_800_000_000_000

function keyDirectory(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-vault-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  openDataDirectory(folder)
  return folder
}

const keyFiles = (folder: string) => readdirSync(folder).filter(name => name.startsWith('key-encryption-key'))

interface World {
  readonly folder: string
  readonly store: Store
  readonly database: StoreUnderTest
  now: number
}

/** As a start finds it: from the files and the rows alone. */
function open(world: World, ring = openKeyRing(world.folder, {}), store: SecretStore = world.store.secrets) {
  const vault = createVault({ keys: ring, store, clock: () => world.now })
  const loaded = loadConfig({ env: { OSTIARY_CONFIG: join(world.folder, 'none.yaml') }, ...noFile(world.folder) })
  const live = createLiveSecrets({
    vault,
    keyRing: ring,
    reloads: {
      current: () => loaded,
      refresh: async () => assert.fail('nothing in effect'),
      reload: async () => assert.fail(),
    },
    clock: () => world.now,
    log: pino({ level: 'silent' }),
  })
  return { vault, live, ring }
}

function noFile(folder: string) {
  const file = join(folder, 'ostiary.yaml')
  writeFileSync(file, '{}')
  return { file }
}

for (const [name, start] of Object.entries(adapters)) {
  describe(`the vault on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())
    const withVault = (title: string, check: (world: World) => Promise<void>) =>
      test(title, async t => {
        await using database = await adapter.open()
        await database.migrate()
        await check({ folder: keyDirectory(t), store: await database.connect(), database, now: NOW })
      })
    valuesBehave(withVault)
    forgeriesAreFound(withVault)
    rewrappingBehaves(withVault)
  })
}

type WithVault = (title: string, check: (world: World) => Promise<void>) => void

const read = async (world: World, name: string) => {
  const found = await open(world).vault.read(name)
  return found && [found.value.reveal(), found.previous?.value.reveal() ?? null]
}

function valuesBehave(withVault: WithVault): void {
  withVault('gives back what was set, and nothing where nothing was', async world => {
    const { vault } = open(world)
    await vault.set('a', new Secret('one'), by)
    assert.deepEqual(await read(world, 'a'), ['one', null])
    assert.equal(await read(world, 'b'), null)
    await assert.rejects(vault.rotate('b', new Secret('x'), 0, by), { code: 'secret.not_found' })
    await assert.rejects(vault.delete('b', by), { code: 'secret.not_found' })
  })

  withVault('gives the value before until its grace has ended, then destroys it', async world => {
    const { vault } = open(world)
    await vault.set('a', new Secret('one'), by)
    await vault.rotate('a', new Secret('two'), 1000, by)
    assert.deepEqual(await read(world, 'a'), ['two', 'one'])
    assert.deepEqual(await vault.endGraces(), { ended: [], nextAt: NOW + 1000 })
    world.now += 1000
    assert.deepEqual(await read(world, 'a'), ['two', null], 'ended, though it is still there')
    assert.deepEqual(await vault.endGraces(), { ended: ['a'], nextAt: null })
    assert.equal((await world.database.query('select * from secret_versions')).length, 1)
  })

  withVault('destroys the value before at once with a grace of 0, and at a set', async world => {
    const { vault } = open(world)
    await vault.set('a', new Secret('one'), by)
    await vault.rotate('a', new Secret('two'), 1000, by)
    await vault.rotate('a', new Secret('three'), 0, by)
    assert.deepEqual(await read(world, 'a'), ['three', null])
    await vault.rotate('a', new Secret('four'), 1000, by)
    await vault.set('a', new Secret('five'), by)
    assert.deepEqual(await read(world, 'a'), ['five', null])
    assert.equal((await world.database.query('select * from secret_versions')).length, 1)
  })

  withVault('keeps its order where changes are asked for at once', async world => {
    const { vault } = open(world)
    const values = Array.from({ length: 20 }, (_, n) => `value ${n}`)
    await Promise.all(values.map(value => vault.set('a', new Secret(value), by)))
    assert.deepEqual(await read(world, 'a'), ['value 19', null])
    assert.equal((await vault.list({ limit: 9 }))[0]?.version, 20)
  })

  withVault('says in events who changed what, and never a value', async world => {
    const { vault } = open(world)
    await vault.set('a', new Secret('one-secret'), by)
    await vault.rotate('a', new Secret('two-secret'), 5, by)
    world.now += 5
    await vault.endGraces()
    await vault.delete('a', by)
    const events = (await world.store.events.list({ limit: 9 })) as ChangeEvent[]
    assert.deepEqual(events.map(({ type, actor, subject }) => [type, actor, subject]).reverse(), [
      ['secret.set', 'test', 'a'],
      ['secret.rotated', 'test', 'a'],
      ['secret.deleted', 'vault', 'a'],
      ['secret.deleted', 'test', 'a'],
    ])
    assert.doesNotMatch(JSON.stringify(events), /-secret/)
  })
}

function forgeriesAreFound(withVault: WithVault): void {
  const columns = 'kek_id, wrapped_key, ciphertext'
  const forgeries: Record<string, string> = {
    'the row of another secret': `update secret_versions set wrapped_key = b.wrapped_key, ciphertext = b.ciphertext
      from (select ${columns} from secret_versions where secret = (select id from secrets where name = 'b')) b
      where secret = (select id from secrets where name = 'a')`,
    'a name exchanged with another’s': `update secrets set name = case name when 'a' then 'tmp' else name end`,
    'a changed ciphertext': `update secret_versions set ciphertext = 'AAAA' || substr(ciphertext, 5)`,
    'a changed data key': `update secret_versions set wrapped_key = 'AAAA' || substr(wrapped_key, 5)`,
    'a ciphertext cut off': `update secret_versions set ciphertext = substr(ciphertext, 1, 20)`,
    'a ciphertext that is none': `update secret_versions set ciphertext = ''`,
    'another key’s id': `update secret_versions set kek_id = '000000000000'`,
    'another version’s number': `update secret_versions set version = 7`,
  }
  for (const [what, sql] of Object.entries(forgeries)) {
    withVault(`opens no row with ${what}`, async world => {
      const { vault } = open(world)
      await vault.set('a', new Secret('value-of-a'), by)
      await vault.set('b', new Secret('value-of-b'), by)
      await world.database.query(sql)
      if (what.startsWith('a name')) {
        await world.database.query(`update secrets set name = 'a' where name = 'b'`)
        await world.database.query(`update secrets set name = 'b' where name = 'tmp'`)
      }
      await assert.rejects(read(world, 'a'), { ...unreadable, message: /the secret a cannot be opened/ })
    })
  }

  withVault('does not open an earlier version in the place of the one in use', async world => {
    const { vault } = open(world)
    await vault.set('a', new Secret('old'), by)
    const [row] = await world.database.query(`select ${columns} from secret_versions`)
    await vault.set('a', new Secret('new'), by)
    await world.database.query(
      `update secret_versions set wrapped_key = '${row?.wrapped_key}', ciphertext = '${row?.ciphertext}'`,
    )
    await assert.rejects(read(world, 'a'), unreadable)
  })

  withVault('does not open a secret’s row for one made anew under its name', async world => {
    const { vault } = open(world)
    await vault.set('a', new Secret('old'), by)
    const [row] = await world.database.query(`select ${columns} from secret_versions`)
    await vault.delete('a', by)
    await vault.set('a', new Secret('new'), by)
    await world.database.query(
      `update secret_versions set wrapped_key = '${row?.wrapped_key}', ciphertext = '${row?.ciphertext}'`,
    )
    await assert.rejects(read(world, 'a'), unreadable)
  })

  withVault('opens nothing without its key-encryption key, and says which is missing', async world => {
    const { vault, ring } = open(world)
    await vault.set('a', new Secret('one'), by)
    const id = ring.currentId
    ring.replace()
    ring.remove(id)
    await assert.rejects(read(world, 'a'), { ...unreadable, message: new RegExp(`${id}, which is not here`) })
    await assert.rejects(open(world).live.rewrap(by), unreadable)
    assert.equal(keyFiles(world.folder).length, 1)
    await open(world).vault.set('a', new Secret('two'), by)
    assert.deepEqual(await read(world, 'a'), ['two', null])
  })
}

/** What a process does at its end: the n-th change to files or rows is done or not, and none after it. */
function dieAt(n: number, done: boolean, ring: KeyRing, store: SecretStore) {
  let left = n
  const step = <T>(work: () => T): T => {
    if (left < 0) throw new Error('dead')
    left--
    if (left >= 0) return work()
    if (done) {
      const result = work()
      if (result instanceof Promise) return result.then(() => Promise.reject(new Error('dead'))) as T
    }
    throw new Error('dead')
  }
  const dyingRing: KeyRing = {
    ...ring,
    get currentId() {
      return ring.currentId
    },
    replace: () => step(() => ring.replace()),
    remove: id => step(() => ring.remove(id)),
  }
  return { ring: dyingRing, store: { ...store, rewrap: (...args) => step(() => store.rewrap(...args)) } as SecretStore }
}

function rewrappingBehaves(withVault: WithVault): void {
  withVault('puts every version under a new key and deletes the old one', async world => {
    const { vault, live, ring } = open(world)
    await vault.set('a', new Secret('one'), by)
    await vault.rotate('a', new Secret('two'), 1000, by)
    await vault.set('b', new Secret('b'), by)
    const before = ring.currentId
    const old = readFileSync(join(world.folder, 'key-encryption-key'), 'utf8')
    const step = await live.rewrap(by)
    assert.deepEqual(step, { kekId: ring.currentId, rewrapped: 3, remaining: 0, removed: [before], kept: [] })
    assert.deepEqual(
      [await read(world, 'a'), await read(world, 'b')],
      [
        ['two', 'one'],
        ['b', null],
      ],
    )
    assert.deepEqual(keyFiles(world.folder), ['key-encryption-key'])
    assert.notEqual(readFileSync(join(world.folder, 'key-encryption-key'), 'utf8'), old)
    const events = (await world.store.events.list({ limit: 9, type: 'secret.rewrapped' })) as ChangeEvent[]
    assert.deepEqual(
      events.map(({ subject, detail }) => [subject, detail]),
      [
        [ring.currentId, { removed: [before] }],
        [ring.currentId, { versions: 3 }],
      ],
    )
  })

  withVault('goes batch by batch, and keeps the old key until the last', async world => {
    const { vault, live } = open(world)
    for (let n = 0; n < 230; n++) await vault.set(`s${n}`, new Secret(`value ${n}`), by)
    const steps = [await live.rewrap(by), await live.rewrap(by)]
    assert.deepEqual(
      steps.map(({ rewrapped, remaining, removed }) => [rewrapped, remaining, removed]),
      [
        [100, 130, []],
        [100, 30, []],
      ],
    )
    await vault.set('between', new Secret('under the new key'), by)
    const last = await open(world).live.rewrap(by)
    assert.deepEqual([last.rewrapped, last.remaining, last.removed.length], [30, 0, 1])
    assert.equal(steps[0]?.kekId, last.kekId, 'one key for all of them')
    for (const n of [0, 99, 100, 229]) assert.deepEqual(await read(world, `s${n}`), [`value ${n}`, null])
  })

  for (const done of [false, true]) {
    withVault(`leaves everything readable wherever it dies (${done ? 'after' : 'before'} a step)`, async world => {
      for (let n = 0; n < 120; n++) await open(world).vault.set(`s${n}`, new Secret(`value ${n}`), by)
      let deaths = 0
      for (let at = 0; ; at++) {
        const dying = dieAt(at, done, openKeyRing(world.folder, {}), world.store.secrets)
        const { live } = open(world, dying.ring, dying.store)
        const outcome = await untilWhole(live).catch((error: Error) => error)
        for (const n of [0, 50, 119]) assert.deepEqual(await read(world, `s${n}`), [`value ${n}`, null], `death ${at}`)
        // Brought to its end after the death, with no key left over.
        await untilWhole(open(world).live)
        assert.equal(keyFiles(world.folder).length, 1, `death ${at}`)
        for (const n of [0, 50, 119]) assert.deepEqual(await read(world, `s${n}`), [`value ${n}`, null], `death ${at}`)
        if (!(outcome instanceof Error)) break
        assert.equal(outcome.message, 'dead')
        deaths++
      }
      // The new key, two batches, the old key, and the record of its end.
      assert.equal(deaths, 5)
    })
  }
}

async function untilWhole(live: ReturnType<typeof open>['live']): Promise<void> {
  while ((await live.rewrap(by)).remaining > 0);
}
