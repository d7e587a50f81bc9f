import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { Problem } from '#core/problems.ts'
import { SqliteClient } from '#store/sqlite/client.ts'
import { lockDirectory } from '#store/sqlite/directory-lock.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { callEvent, key, keyEvent, until } from './store-adapters.ts'

const unavailable = { name: 'Problem', code: 'store.unavailable' }

function unavailableBecause(cause: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof Problem && error.code === 'store.unavailable', `${error}`)
    assert.match(String(error.cause), cause)
    return true
  }
}

const LEASE = { timeoutMs: 2000, leaseMs: 5000 }
const INSERT = "insert into keys values (?, '', 'test', ?, '', '', 1, null, null)"

const mounted = new Set<string>()

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'ostiary-sqlite-'))
  t.after(() => {
    if (mounted.delete(directory)) execFileSync('umount', ['-l', directory])
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

async function migratedThread(file: string) {
  const thread = await startDatabaseThread(file)
  await migrateSqlite(thread.connect())
  return thread
}

test('answers store.unavailable in time while another process holds the write lock, and reads go on', async t => {
  const file = join(temporaryDirectory(t), 'ostiary.db')
  await using thread = await migratedThread(file)
  await using store = openSqliteStore(thread.connect(), { timeoutMs: 300 })
  await store.keys.insert(key('key_1'), keyEvent('evt_1'))
  using intruder = new DatabaseSync(file)
  intruder.exec('begin exclusive')
  const asked = performance.now()
  const writes = [
    store.events.append([callEvent('req_1')]),
    store.keys.insert(key('key_2'), keyEvent('evt_2')),
    store.keys.revoke('key_1', 5, keyEvent('evt_3')),
  ].map(write => assert.rejects(write, unavailableBecause(/locked|late/)))
  assert.deepEqual(await store.keys.find('key_1'), key('key_1'))
  assert.ok(performance.now() - asked < 200, 'a read waited for the writers')
  await Promise.all(writes)
  assert.ok(performance.now() - asked < 600)
  intruder.exec('commit')
  await store.events.append([callEvent('req_2')])
  assert.deepEqual(await store.events.list({ limit: 10 }), [callEvent('req_2'), keyEvent('evt_1')])
})

test('waits for a write lock that is held only for a moment', async t => {
  const file = join(temporaryDirectory(t), 'ostiary.db')
  await using thread = await migratedThread(file)
  await using store = openSqliteStore(thread.connect())
  using intruder = new DatabaseSync(file)
  intruder.exec('begin exclusive')
  const written = store.events.append([callEvent('req_1')])
  await store.ping()
  intruder.exec('commit')
  await written
})

test('rolls back the transaction of a client that dies, and lets the next one write', async t => {
  await using thread = await migratedThread(join(temporaryDirectory(t), 'ostiary.db'))
  await using store = openSqliteStore(thread.connect())
  const dying = new SqliteClient(thread.connect(), LEASE)
  const lease = await dying.begin()
  await lease.run({ sql: INSERT, parameters: ['key_1', 'a'] })
  const next = store.keys.insert(key('key_2'), keyEvent('evt_2'))
  dying.close()
  await next
  assert.equal(await store.keys.find('key_1'), undefined)
  await assert.rejects(lease.commit(), unavailable)
})

test('rolls back a transaction that lasts too long, and refuses the rest of it', async t => {
  await using thread = await migratedThread(join(temporaryDirectory(t), 'ostiary.db'))
  await using store = openSqliteStore(thread.connect())
  const slow = new SqliteClient(thread.connect(), { timeoutMs: 2000, leaseMs: 50 })
  const lease = await slow.begin()
  await lease.run({ sql: INSERT, parameters: ['key_1', 'a'] })
  // Granted only when the slow one's time is over.
  await store.keys.insert(key('key_2'), keyEvent('evt_2'))
  await assert.rejects(lease.run({ sql: INSERT, parameters: ['key_3', 'b'] }), unavailable)
  await assert.rejects(lease.commit(), unavailable)
  slow.close()
  assert.deepEqual(
    (await store.keys.list({ limit: 5 })).map(found => found.id),
    ['key_2'],
  )
})

test('grants writing in the order it was asked for', async t => {
  await using thread = await migratedThread(join(temporaryDirectory(t), 'ostiary.db'))
  const client = new SqliteClient(thread.connect(), LEASE)
  const first = await client.begin()
  const order: string[] = []
  const waiting = ['a', 'b', 'c'].map(async name => {
    const lease = await client.begin()
    order.push(name)
    await lease.commit()
  })
  first.rollback()
  await Promise.all(waiting)
  assert.deepEqual(order, ['a', 'b', 'c'])
  client.close()
})

test('answers a look-up that was made before a revocation before it tells of the revocation', async t => {
  await using thread = await migratedThread(join(temporaryDirectory(t), 'ostiary.db'))
  await using reader = openSqliteStore(thread.connect())
  await using writer = openSqliteStore(thread.connect())
  const cached = new Map<string, number | null>()
  reader.changes.subscribe(change => cached.delete(change.subject))
  for (let n = 0; n < 50; n++) {
    const id = `key_${n}`
    await writer.keys.insert(key(id), keyEvent(`evt_${id}`))
    const lookUps = Array.from({ length: 5 }, async () => {
      const found = await reader.keys.find(id)
      if (found?.revokedAt === null) cached.set(id, null)
    })
    await Promise.all([writer.keys.revoke(id, 5, keyEvent(`end_${id}`)), ...lookUps])
    // By the order of the port, whatever was told of before this answer has been delivered.
    await reader.ping()
    assert.equal(cached.has(id), false)
  }
})

test('survives the death of the database thread once a new one is attached', async t => {
  const file = join(temporaryDirectory(t), 'ostiary.db')
  const dead = await migratedThread(file)
  await using store = openSqliteStore(dead.connect())
  await store.events.append([callEvent('req_1')])
  const client = new SqliteClient(dead.connect(), LEASE)
  const lease = await client.begin()
  const waiting = store.events.append([callEvent('req_2')])
  dead.connect().postMessage(null)
  await assert.rejects(waiting, unavailable)
  assert.ok((await dead.exited) instanceof Error)
  const asked = performance.now()
  await assert.rejects(store.ping(), unavailable)
  assert.ok(performance.now() - asked < 100, 'a detached client waited')
  await using thread = await startDatabaseThread(file)
  store.reattach(thread.connect())
  client.attach(thread.connect())
  await assert.rejects(lease.commit(), unavailable)
  client.close()
  await store.events.append([callEvent('req_3')])
  assert.deepEqual(await store.events.list({ limit: 5 }), [callEvent('req_3'), callEvent('req_1')])
})

test('says why when the database cannot be opened', async t => {
  const file = join(temporaryDirectory(t), 'ostiary.db')
  writeFileSync(file, 'this is not a database, and long enough to have the header of one '.repeat(99))
  await assert.rejects(startDatabaseThread(file), unavailableBecause(/not a database/))
  await assert.rejects(startDatabaseThread(join(file, 'below', 'a-file')))
})

test('keeps every file of the database from other users, whatever the umask', {
  skip: process.platform === 'win32' && 'Windows has no modes',
}, async t => {
  const directory = temporaryDirectory(t)
  const umask = process.umask(0)
  t.after(() => process.umask(umask))
  await using thread = await migratedThread(join(directory, 'ostiary.db'))
  using _lock = lockDirectory(directory)
  await using store = openSqliteStore(thread.connect())
  await store.ping()
  for (const name of ['ostiary.db', 'ostiary.db-wal', 'ostiary.db-shm', 'lock']) {
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
  }
})

test('leaves one complete file behind when it stops', async t => {
  const file = join(temporaryDirectory(t), 'ostiary.db')
  const thread = await migratedThread(file)
  await thread[Symbol.asyncDispose]()
  assert.equal(existsSync(`${file}-wal`), false)
  using database = new DatabaseSync(file, { readOnly: true })
  assert.notEqual(database.prepare('select count(*) as steps from migrations').get()?.steps, 0)
})

test('refuses a data directory in use, by this process or another, until its holder is dead', async t => {
  const directory = temporaryDirectory(t)
  const inUse = { name: 'Problem', code: 'start.data_directory_in_use' }
  const holder = holdDirectory(directory)
  t.after(() => holder.kill('SIGKILL'))
  await once(holder.stdout as NodeJS.ReadableStream, 'data')
  assert.throws(() => lockDirectory(directory), inUse)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  {
    using _lock = lockDirectory(directory)
    assert.throws(() => lockDirectory(directory), inUse)
    // A refused claim in this process must not have ended the lock that it holds.
    const rival = holdDirectory(directory)
    assert.notEqual((await once(rival, 'exit'))[0], 0)
  }
  using _again = lockDirectory(directory)
})

function holdDirectory(directory: string): ChildProcess {
  const program = `
    import { lockDirectory } from '#store/sqlite/directory-lock.ts'
    lockDirectory(${JSON.stringify(directory)})
    // The lock must not depend on who still refers to it.
    globalThis.gc()
    console.log('held')
    setInterval(() => {}, 1000)`
  return spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

test('answers store.unavailable on a full disk, loses nothing acknowledged, and goes on when there is room', async t => {
  const directory = temporaryDirectory(t)
  if (!mountSmallDisk(directory)) {
    assert.notEqual(process.env.CI, 'true', 'CI must be able to mount a tmpfs')
    return t.skip('needs root on Linux for a small tmpfs')
  }
  const ballast = join(directory, 'ballast')
  writeFileSync(ballast, Buffer.alloc(512 * 1024))
  const file = join(directory, 'ostiary.db')
  const acknowledged: string[] = []
  {
    await using thread = await migratedThread(file)
    await using store = openSqliteStore(thread.connect())
    await store.keys.insert(key('key_1'), keyEvent('evt_1'))
    const append = async (id: string) => {
      await store.events.append([callEvent(id), callEvent(`${id}_too`)])
      acknowledged.push(id, `${id}_too`)
    }
    await assert.rejects(async () => {
      for (let n = 0; n < 20_000; n++) await append(`req_${n}`)
    }, unavailableBecause(/full/))
    await assert.rejects(store.keys.insert(key('key_2'), keyEvent('evt_2')), unavailable)
    assert.deepEqual(await store.keys.find('key_1'), key('key_1'))
    rmSync(ballast)
    await append('req_after')
    assert.equal(await store.keys.find('key_2'), undefined)
  }
  await using thread = await startDatabaseThread(file)
  await using store = openSqliteStore(thread.connect())
  const kept = (await store.events.list({ limit: 100_000, type: 'call' })).map(event => event.id)
  assert.deepEqual(kept.toReversed(), acknowledged)
})

function mountSmallDisk(directory: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory], { stdio: 'pipe' })
  } catch {
    return false
  }
  mounted.add(directory)
  return true
}

test('stops the heartbeat when the database can no longer be read', async t => {
  const file = join(temporaryDirectory(t), 'ostiary.db')
  await using thread = await migratedThread(file)
  await using store = openSqliteStore(thread.connect(), { timeoutMs: 300 })
  await until('a heartbeat', () => store.changes.heardAt() > 0)
  using intruder = new DatabaseSync(file)
  intruder.exec('alter table changes rename to elsewhere')
  const before = store.changes.heardAt()
  await until('the next heartbeat is overdue', () => performance.now() - before > 2500)
  assert.ok(store.changes.heardAt() - before < 1200)
  intruder.exec('alter table elsewhere rename to changes')
  await until('the heartbeat is back', () => store.changes.heardAt() - before > 2500)
})
