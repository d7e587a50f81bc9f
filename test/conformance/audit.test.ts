import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { DecisionChain } from '#audit/decision-chain.ts'
import { type AuditReport, verifyAudit } from '#audit/verify.ts'
import { changeHash, decisionHash, EMPTY_CHAIN } from '#core/audit-chain.ts'
import { type Checkpoint, checkpointHash, keyIdOf, readHeads, signCheckpoint } from '#core/checkpoint.ts'
import type { ChangeEvent } from '#core/events.ts'
import type { DecisionRow, PrunedRows, Store } from '#store/ports.ts'
import { adapters, appendCalls, callEvent, key, keyEvent, type StoreUnderTest } from './store-adapters.ts'

const AT = 1_800_000_000_000
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const signer = { id: keyIdOf(publicKey), privateKey }

/** Signs where the chains stand now. */
async function sign(store: Store, by = signer): Promise<Checkpoint> {
  const checkpoint = signCheckpoint(await store.audit.newestCheckpoint(), AT, await store.audit.heads(), by)
  await store.audit.addCheckpoint(checkpoint)
  return checkpoint
}

async function* linesOf(checkpoints: readonly Checkpoint[]) {
  for (const checkpoint of checkpoints) yield JSON.stringify(checkpoint)
}

async function verify(database: StoreUnderTest, anchored?: readonly Checkpoint[]): Promise<AuditReport> {
  await using reader = await database.readAudit()
  const anchor = anchored === undefined ? null : linesOf(anchored)
  return await verifyAudit({ reader, keys: new Map([[signer.id, publicKey]]), anchor, onProgress() {} })
}

/** `chain seq: what`, of all that is wrong. */
const faults = ({ findings }: AuditReport) => findings.map(({ chain, seq, what }) => `${chain} ${seq}: ${what}`)

const UNSIGNED = 2

/** Six changes, six batches of two calls on one chain and two on another; all signed but the last two rows of each. */
async function fill(store: Store): Promise<Checkpoint[]> {
  const checkpoints: Checkpoint[] = []
  for (let n = 1; n <= 6; n++) {
    await store.keys.insert(key(`key_${n}`), keyEvent(`evt_${n}`))
    await appendCalls(store, [callEvent(`req_${n}`), callEvent(`req_${n}b`)])
    if (n < 3) await appendCalls(store, [callEvent(`two_${n}`)], 2)
    if (n === 2 || n === 6 - UNSIGNED) checkpoints.push(await sign(store))
  }
  return checkpoints
}

/** A way to tamper: what is done to the database, and what of it must be told. */
interface Tampering {
  readonly name: string
  readonly sql: (store: Store, signed: readonly Checkpoint[]) => readonly string[] | Promise<readonly string[]>
  readonly found: readonly RegExp[]
  /** Only an anchor can tell. */
  readonly needsAnchor?: true
}

const edited = (row: string) => new RegExp(`^${row}: was edited`)
const row1 = "chain = 'decisions/1' and seq"

const tamperings: readonly Tampering[] = [
  {
    name: 'the data of a batch edited',
    sql: () => [`update audit_decisions set data = replace(data, 'req_3b', 'req_3c') where ${row1} = 3`],
    found: [edited('decisions/1 3')],
  },
  ...['first_at', 'last_at', 'count'].map(column => ({
    name: `the ${column} of a batch edited`,
    sql: () => [`update audit_decisions set ${column} = ${column} + 1 where ${row1} = 3`],
    found: [edited('decisions/1 3')],
  })),
  {
    name: 'the data of a change edited',
    sql: () => ["update audit_changes set data = replace(data, 'operator', 'stranger') where seq = 3"],
    found: [edited('changes 3')],
  },
  ...["id = 'evt_x'", 'at = at + 1', "type = 'key.revoked'"].map(set => ({
    name: `a change set to ${set}`,
    sql: () => [`update audit_changes set ${set} where seq = 3`],
    found: [edited('changes 3')],
  })),
  {
    name: 'a batch edited and its hash made anew',
    sql: async store => {
      const rows = await decisionRows(store)
      const row = { ...(rows[2] as DecisionRow), count: 9 }
      const hash = decisionHash(row.previous, row.chain, 3, row)
      return [`update audit_decisions set count = 9, hash = '${hash}' where ${row1} = 3`]
    },
    found: [/^decisions\/1 4: was edited, or does not stand behind the row 3/],
  },
  {
    name: 'a batch edited and every hash after it made anew',
    sql: async store => rewriteFrom(await decisionRows(store), 3).map(({ sql }) => sql),
    found: [/^decisions\/1 4: is not the row that checkpoint 2 signed: a row from 3 on was changed/],
  },
  {
    name: 'a batch deleted from the middle',
    sql: () => [`delete from audit_decisions where ${row1} = 3`],
    found: [/^decisions\/1 3: row 3 is missing/],
  },
  {
    name: 'the first batches deleted',
    sql: () => [`delete from audit_decisions where ${row1} < 3`],
    found: [/^decisions\/1 1: rows 1 to 2 are missing from its beginning, and no pruning of them is recorded/],
  },
  {
    name: 'a batch deleted and the rest moved up',
    sql: () => [
      `delete from audit_decisions where ${row1} = 3`,
      ...[4, 5, 6].map(seq => `update audit_decisions set seq = ${seq - 1} where ${row1} = ${seq}`),
    ],
    found: [edited('decisions/1 3'), edited('decisions/1 4'), edited('decisions/1 5')],
  },
  {
    name: 'a batch inserted',
    sql: () => [
      ...[6, 5, 4].map(seq => `update audit_decisions set seq = ${seq + 1} where ${row1} = ${seq}`),
      `insert into audit_decisions (chain, seq, first_at, last_at, count, data, hash)
       select chain, 4, first_at, last_at, count, data, hash from audit_decisions where ${row1} = 1`,
    ],
    found: [edited('decisions/1 4'), edited('decisions/1 5')],
  },
  {
    name: 'two batches swapped',
    sql: () => [
      `update audit_decisions set seq = 99 where ${row1} = 2`,
      `update audit_decisions set seq = 2 where ${row1} = 3`,
      `update audit_decisions set seq = 3 where ${row1} = 99`,
    ],
    found: [edited('decisions/1 2'), edited('decisions/1 3')],
  },
  {
    name: 'a batch moved to another chain',
    sql: () => [`update audit_decisions set chain = 'decisions/2', seq = 3 where ${row1} = 6`],
    found: [edited('decisions/2 3')],
  },
  {
    name: 'signed batches cut off',
    sql: () => [`delete from audit_decisions where ${row1} > 2`],
    found: [/^decisions\/1 3: rows 3 to 4 are gone from its end: checkpoint 2 signed row 4/],
  },
  {
    name: 'changes cut off, with the head of the chain',
    sql: () => [
      'delete from audit_changes where seq > 2',
      `update audit_heads set seq = 2, hash = (select hash from audit_changes where seq = 2) where chain = 'changes'`,
    ],
    found: [/^changes 3: rows 3 to 4 are gone from its end: checkpoint 2 signed row 4/],
  },
  {
    name: 'changes cut off, without the head of the chain',
    sql: () => ['delete from audit_changes where seq > 5'],
    found: [/^changes 6: the head of the chain is not its newest row, 5/],
  },
  {
    name: 'a whole chain dropped',
    sql: () => ["delete from audit_decisions where chain = 'decisions/2'"],
    found: [/^decisions\/2 1: the whole chain is gone: checkpoint 1 signed row 2/],
  },
  {
    name: 'a chain given another name',
    sql: () => ["update audit_decisions set chain = 'decisions/3' where chain = 'decisions/2'"],
    found: [/^decisions\/2 1: the whole chain is gone/, edited('decisions/3 1')],
  },
  ...['at = at + 1', "previous = replace(previous, '0', '1')", `heads = replace(heads, '[4,', '[3,')`].map(set => ({
    name: `a checkpoint set to ${set}`,
    sql: () => [`update audit_checkpoints set ${set} where seq = 2`],
    found: [/^checkpoints 2: was changed: its signature does not fit/],
  })),
  {
    name: 'a checkpoint deleted from the middle',
    sql: async store => {
      await sign(store)
      return ['delete from audit_checkpoints where seq = 2']
    },
    found: [/^checkpoints 2: checkpoint 2 is missing/],
  },
  {
    name: 'a checkpoint forged under another key',
    sql: async store => {
      const other = generateKeyPairSync('ed25519')
      await sign(store, { id: keyIdOf(other.publicKey), privateKey: other.privateKey })
      return []
    },
    found: [/^checkpoints 3: is signed by the key [0-9a-f]{32}, which was not given/],
  },
  {
    name: 'a checkpoint forged in the name of the key',
    sql: async store => {
      await sign(store, { id: signer.id, privateKey: generateKeyPairSync('ed25519').privateKey })
      return []
    },
    found: [/^checkpoints 3: was changed: its signature does not fit/],
  },
  {
    name: 'everything after the first checkpoint cut off, the second checkpoint too',
    sql: () => [
      'delete from audit_checkpoints where seq = 2',
      `delete from audit_decisions where ${row1} > 2`,
      'delete from audit_changes where seq > 2',
      `update audit_heads set seq = 2, hash = (select hash from audit_changes where seq = 2)`,
    ],
    found: [/^anchor 2: has checkpoint 2, but the database ends with 1: the rest was cut off/],
    needsAnchor: true,
  },
  {
    name: 'the whole audit emptied',
    sql: () => [
      'delete from audit_checkpoints',
      'delete from audit_decisions',
      'delete from audit_changes',
      `update audit_heads set seq = 0, hash = '${EMPTY_CHAIN.hash}'`,
    ],
    found: [/^anchor 1: has checkpoint 1, but the database ends with 0/, /^anchor 2: has checkpoint 2/],
    needsAnchor: true,
  },
  {
    name: 'a checkpoint replaced by one that the stolen key signed over rewritten rows',
    sql: async (store, [first, second]) => {
      const rewritten = rewriteFrom(await decisionRows(store), 3)
      const heads = Object.fromEntries(readHeads((second as Checkpoint).heads))
      heads['decisions/1'] = { seq: 4, hash: rewritten[1]?.hash ?? '' }
      const forged = signCheckpoint(first, AT, heads, signer)
      return [
        ...rewritten.map(({ sql }) => sql),
        `update audit_checkpoints set heads = '${forged.heads}', signature = '${forged.signature}' where seq = 2`,
      ]
    },
    found: [/^anchor 2: has another checkpoint 2 than the database: that one was replaced/],
    needsAnchor: true,
  },
]

async function decisionRows(store: Store): Promise<DecisionRow[]> {
  await using reader = await openReaderOf(store)
  let previous = EMPTY_CHAIN.hash
  return (await reader.decisions('decisions/1', 0)).map(row => {
    const full = { ...row, chain: 'decisions/1', previous }
    previous = row.hash
    return full
  })
}

/** Statements that change a row and have everything after it fit. */
function rewriteFrom(rows: readonly DecisionRow[], first: number) {
  let previous = rows[first - 2]?.hash ?? EMPTY_CHAIN.hash
  return rows.slice(first - 1).map((row, i) => {
    const count = i === 0 ? 9 : row.count
    previous = decisionHash(previous, row.chain, row.seq, { ...row, count })
    const sql = `update audit_decisions set count = ${count}, hash = '${previous}' where ${row1} = ${row.seq}`
    return { sql, hash: previous }
  })
}

const readers = new WeakMap<Store, StoreUnderTest>()
const openReaderOf = (store: Store) => (readers.get(store) as StoreUnderTest).readAudit()

for (const [name, start] of Object.entries(adapters)) {
  describe(`the audit on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store, database: StoreUnderTest) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        const store = await database.connect()
        readers.set(store, database)
        await check(store, database)
      })

    withStore('finds nothing wrong where nothing is, and says what no checkpoint covers', async (store, database) => {
      const checkpoints = await fill(store)
      const report = await verify(database)
      assert.deepEqual([report.result, report.findings, report.provedUntil], ['consistent', [], null])
      assert.equal(report.events, 6 + 12 + 2)
      assert.deepEqual(
        report.chains.map(({ chain, rows, unsigned }) => [chain, rows, unsigned]),
        [
          ['changes', 6, UNSIGNED],
          ['decisions/1', 6, UNSIGNED],
          ['decisions/2', 2, 0],
        ],
      )
      const anchored = await verify(database, checkpoints)
      assert.deepEqual([anchored.result, anchored.provedUntil], ['proved', AT])
      // An anchor that got each checkpoint twice says the same.
      assert.equal(
        (
          await verify(
            database,
            checkpoints.flatMap(each => [each, each]),
          )
        ).result,
        'proved',
      )
    })

    for (const { name: tampering, sql, found, needsAnchor } of tamperings) {
      withStore(`finds ${tampering}`, async (store, database) => {
        const checkpoints = await fill(store)
        for (const statement of await sql(store, checkpoints)) await database.query(statement)
        const report = await verify(database, needsAnchor ? checkpoints : undefined)
        assert.equal(report.result, 'tampered')
        for (const pattern of found) {
          assert.ok(
            faults(report).some(fault => pattern.test(fault)),
            `${pattern} is not among\n${faults(report).join('\n')}`,
          )
        }
        if (needsAnchor) assert.notEqual((await verify(database)).result, 'proved')
      })
    }

    withStore('takes a pruning for what it is, and a deletion beside it for what that is', async (store, database) => {
      await fill(store)
      const record = ({ seq, hash, rows, events }: PrunedRows): ChangeEvent => ({
        ...keyEvent('evt_pruned', 'audit.pruned'),
        subject: 'decisions/1',
        detail: { seq, hash, rows, events },
      })
      // All are older, but the newest row stays.
      assert.equal(await store.audit.prune('decisions/1', AT + 999_999, 3, record), 3)
      const report = await verify(database)
      assert.deepEqual(faults(report), [])
      assert.equal(report.chains.find(({ chain }) => chain === 'decisions/1')?.prunedTo, 3)
      const [event] = await store.events.list({ limit: 1, type: 'audit.pruned' })
      assert.deepEqual((event as ChangeEvent).detail?.events, 6)
      await database.query(`delete from audit_decisions where ${row1} = 4`)
      assert.match(faults(await verify(database)).join('\n'), /^decisions\/1 4: row 4 is missing from its beginning/)
    })

    withStore('prunes nothing that is young, and never the newest row', async (store, database) => {
      await fill(store)
      const never = () => assert.fail('nothing was pruned')
      assert.equal(await store.audit.prune('decisions/1', 1_800_000_000_123, 100, never), 0)
      assert.equal(await store.audit.prune('decisions/9', AT + 999_999, 100, never), 0)
      let n = 0
      const record = (pruned: PrunedRows) => ({
        ...keyEvent(`evt_pruned_${n++}`, 'audit.pruned'),
        subject: 'decisions/1',
        detail: { ...pruned },
      })
      assert.equal(await store.audit.prune('decisions/1', AT + 999_999, 100, record), 5)
      assert.equal(await store.audit.prune('decisions/1', AT + 999_999, 100, record), 0)
      assert.equal((await verify(database)).result, 'consistent')
      await appendCalls(store, [callEvent('req_7')])
      assert.equal((await verify(database)).result, 'consistent')
    })

    withStore('a pruning without its record is a deletion', async (store, database) => {
      await fill(store)
      await database.query(`delete from audit_decisions where ${row1} < 3`)
      assert.match(faults(await verify(database)).join('\n'), /no pruning of them is recorded/)
    })

    withStore('chains changes of many writers at once without a gap', async (store, database) => {
      const writers = [store, ...(await Promise.all([1, 2, 3].map(() => database.connect({ timeoutMs: 30_000 }))))]
      const patient = writers.slice(1)
      const ids = Array.from({ length: 120 }, (_, n) => `key_${n}`)
      await Promise.all(
        ids.map((id, n) => (patient[n % patient.length] as Store).keys.insert(key(id), keyEvent(`evt_${id}`))),
      )
      const report = await verify(database)
      assert.deepEqual([faults(report), report.chains[0]?.rows], [[], 120])
      await using reader = await database.readAudit()
      const [first] = await reader.changes(0)
      assert.ok(first !== undefined)
      assert.equal(changeHash(EMPTY_CHAIN.hash, 1, first), first.hash)
    })

    withStore('knows a batch that it has, and refuses one that follows another row', async store => {
      const link = { firstAt: AT, lastAt: AT, count: 1, data: JSON.stringify(callEvent('req_1')) }
      const rowBehind = (previous: string, seq: number, data = link.data): DecisionRow => {
        const batch = { ...link, data }
        return {
          chain: 'decisions/1',
          seq,
          previous,
          hash: decisionHash(previous, 'decisions/1', seq, batch),
          ...batch,
        }
      }
      const first = rowBehind(EMPTY_CHAIN.hash, 1)
      const head = { seq: 1, hash: first.hash }
      assert.deepEqual(await store.events.head('decisions/1'), EMPTY_CHAIN)
      assert.deepEqual(await store.events.append(first, []), head)
      assert.deepEqual(await store.events.append(first, []), head, 'the answer got lost')
      assert.deepEqual(
        await store.events.append(rowBehind(EMPTY_CHAIN.hash, 1, '{}'), []),
        head,
        'another at its place',
      )
      assert.deepEqual(await store.events.append(rowBehind(EMPTY_CHAIN.hash, 2), []), head, 'behind another')
      assert.deepEqual(await store.events.append(rowBehind(first.hash, 3), []), head, 'with a gap')
      const second = rowBehind(first.hash, 2)
      assert.deepEqual(await store.events.append(second, []), { seq: 2, hash: second.hash })
      assert.deepEqual(await store.events.append(first, []), head, 'known even if others follow')
      assert.deepEqual(await store.events.head('decisions/1'), { seq: 2, hash: second.hash })
      assert.equal((await store.events.list({ limit: 10 })).length, 2)
    })

    withStore('two writers of one chain lose and double nothing', async (store, database) => {
      const writers = await Promise.all([0, 1].map(() => database.connect({ timeoutMs: 30_000 })))
      await Promise.all(
        writers.map(async (writer, w) => {
          const chain = new DecisionChain(writer.events, 'decisions/1')
          for (let n = 0; n < 20; n++) {
            const data = JSON.stringify(callEvent(`req_${w}_${n}`))
            const batch = { firstAt: AT, lastAt: AT, count: 1, data }
            // A recorder, too, tries again until it is in.
            for (let done = false; !done; ) {
              done = await chain.append(batch).then(
                () => true,
                () => false,
              )
            }
          }
        }),
      )
      const ids = (await store.events.list({ limit: 1000 })).map(({ id }) => id)
      assert.deepEqual([ids.length, new Set(ids).size], [40, 40])
      assert.deepEqual(faults(await verify(database)), [])
    })

    withStore('pages through all chains, newest first, each event once', async store => {
      await fill(store)
      const all = await store.events.list({ limit: 1000 })
      assert.equal(all.length, 20)
      for (const limit of [1, 2, 3, 7]) {
        const paged: string[] = []
        for (let after: string | undefined | null; after !== null; ) {
          const page = await store.events.page({ limit, after })
          paged.push(...page.events.map(({ id }) => id))
          after = page.next
        }
        assert.deepEqual(
          paged,
          all.map(({ id }) => id),
          `by ${limit}`,
        )
      }
      const ours = await store.events.page({ limit: 10, matches: event => event.id === 'req_1b' })
      assert.deepEqual([ours.events, ours.next], [[callEvent('req_1b')], null])
      assert.deepEqual((await store.events.page({ limit: 10, to: 5 })).events, [])
    })

    withStore('refuses a second checkpoint of one number', async store => {
      const checkpoint = await sign(store)
      assert.deepEqual(await store.audit.newestCheckpoint(), checkpoint)
      assert.equal(checkpointHash(checkpoint).length, 64)
      await assert.rejects(store.audit.addCheckpoint(checkpoint), { code: 'store.conflict' })
    })
  })
}
