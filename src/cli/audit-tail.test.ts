import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DecisionChain } from '#audit/decision-chain.ts'
import { migrateSqlite, openSqliteStore, startDatabaseThread } from '#store/sqlite/open.ts'
import { auditTail } from './audit-tail.ts'

const AT = Date.UTC(2026, 0, 31)

async function startTail(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-tail-'))
  const thread = await startDatabaseThread(join(folder, 'ostiary.db'))
  await migrateSqlite(thread.connect())
  const store = openSqliteStore(thread.connect())
  t.after(async () => {
    await store[Symbol.asyncDispose]()
    await thread[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  const chain = new DecisionChain(store.events, 'decisions/1')
  const tail = async (...args: string[]) => {
    let output = ''
    const write = (text: string) => {
      output += text
    }
    const env = { OSTIARY_DATA_DIR: folder, OSTIARY_CONFIG: undefined }
    assert.equal(await auditTail(args, { env, stdout: { write }, stderr: { write } }), 0)
    return output.trimEnd().split('\n')
  }
  return { chain, tail }
}

test('prints the newest events that are meant, oldest first, and nothing that writes to the terminal', async t => {
  const { chain, tail } = await startTail(t)
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

test('says which check refused calls, and whose, where that is known', async t => {
  const { chain, tail } = await startTail(t)
  const causes = [
    { reason: 'token_revoked_subject', credential: 'company:alice\u202e' },
    { reason: 'token_expired', credential: null },
    { reason: null, credential: null },
  ]
  for (const cause of causes) {
    const refusals = { type: 'refusals', id: 'req_1', at: AT, problem: 'auth.invalid_credential', source: '127.0.0.1' }
    const data = JSON.stringify({ ...refusals, count: 6, ...cause })
    await chain.append({ firstAt: AT, lastAt: AT, count: 1, data })
  }
  const said = (await tail()).map(line => line.slice(line.indexOf('6 ×')))
  assert.deepEqual(said.slice(1), [
    '6 × auth.invalid_credential (token_expired)  from 127.0.0.1',
    '6 × auth.invalid_credential  from 127.0.0.1',
  ])
  assert.match(said[0] as string, /^6 × auth\.invalid_credential \(token_revoked_subject, company:alice/)
  assert.doesNotMatch(said.join(), /\p{C}/u)
})

test('finds the event of a call by its request id, and of a refusal says which policies', async t => {
  const { chain, tail } = await startTail(t)
  const call = { type: 'call', at: AT, credential: 'key_1', model: 'gpt-5', status: 403, outcome: 'refused' }
  const refused = { ...call, problem: 'policy.denied', reason: 'night.expensive never' }
  const failed = { ...call, problem: 'policy.denied', reason: 'policy_error', policyError: 'late: no such tag' }
  const refusals = { type: 'refusals', at: AT, problem: 'auth.invalid_credential', source: '::1', count: 2 }
  for (const event of [
    { ...call, id: 'req_1', problem: null, reason: null, status: 200, outcome: 'completed' },
    { ...refused, id: 'req_2' },
    { ...failed, id: 'req_3' },
    { ...refusals, id: 'evt_4', reason: 'unknown_key', credential: null, samples: ['req_5', 'req_6'] },
  ]) {
    await chain.append({ firstAt: AT, lastAt: AT, count: 1, data: JSON.stringify(event) })
  }
  const said = async (id: string) => (await tail('--id', id)).map(line => line.slice(line.indexOf('  gpt-5  ')))
  assert.deepEqual(await said('req_1'), ['  gpt-5  200 completed'])
  assert.deepEqual(await said('req_2'), ['  gpt-5  403 policy.denied (night.expensive never)'])
  assert.deepEqual(await said('req_3'), ['  gpt-5  403 policy.denied (policy_error, late: no such tag)'])
  assert.match(
    (await tail('--id', 'req_6')).join('\n'),
    /^[^\n]*2 × auth\.invalid_credential \(unknown_key\) {2}from ::1$/,
  )
  assert.deepEqual(await tail('--id', 'req_7'), [''])
})
