import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DecisionChain } from '#audit/decision-chain.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { auditTail } from './audit-tail.ts'

const AT = Date.UTC(2026, 0, 31)

test('prints the newest events that are meant, oldest first, and nothing that writes to the terminal', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-tail-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const thread = await startDatabaseThread(join(folder, 'ostiary.db'))
  t.after(() => thread[Symbol.asyncDispose]())
  await migrateSqlite(thread.connect())
  await using store = openSqliteStore(thread.connect())
  const chain = new DecisionChain(store.events, 'decisions/1')
  const model = '\u001b]0;owned\u0007 \u202egpt'
  for (let n = 0; n < 300; n++) {
    const outcome = n === 3 ? 'refused' : 'completed'
    const event = {
      type: 'call',
      id: `req_${n}`,
      at: AT + n,
      credential: 'key_1',
      model,
      status: 200,
      problem: null,
      outcome,
    }
    await chain.append({ firstAt: AT + n, lastAt: AT + n, count: 1, data: JSON.stringify(event) })
  }
  const tail = async (...args: string[]) => {
    let output = ''
    const write = (text: string) => {
      output += text
    }
    const env = { OSTIARY_DATA_DIR: folder, OSTIARY_CONFIG: undefined }
    assert.equal(await auditTail(args, { env, stdout: { write }, stderr: { write } }), 0)
    return output.trimEnd().split('\n')
  }
  const newest = await tail('--count', '2')
  assert.deepEqual(
    newest.map(line => /req_\d+/.exec(line)?.[0]),
    ['req_298', 'req_299'],
  )
  assert.doesNotMatch(newest.join(), /\p{C}/u)
  // Far back: it looks until it has found as many or all.
  const refused = await tail('--json', '--outcome', 'refused')
  assert.deepEqual(
    refused.map(line => JSON.parse(line).id),
    ['req_3'],
  )
})
