import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { internalActor } from '#core/actor.ts'
import { startGateway, until } from '../support/gateway.ts'
import { askAdmin, callOnce } from '../support/process.ts'
import { endings, measureEndings } from '../support/revocations.ts'

for (const [name, end] of Object.entries(endings).filter(([way]) => way !== 'revoke')) {
  test(`20 keys that end by ${name} end on every worker within the bound`, async t => {
    await using gateway = await startGateway({ workers: 2 })
    const { worstMs, stale } = await measureEndings(gateway, 20, [end])
    t.diagnostic(`slowest: ${worstMs.toFixed(1)} ms; ${stale} calls accepted after the answer`)
  })
}

test('when and from where a key was last used is known after a stop, and no call waited for it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-used-'))
  try {
    let id = ''
    let before = 0
    {
      await using gateway = await startGateway({ folder, yaml: '{}\n' })
      const { ostiary } = gateway
      const { record, secret } = await ostiary.keys.mint({ name: 'u', environment: 'test' }, internalActor('test'))
      id = record.id
      before = Date.now()
      assert.equal((await callOnce(gateway.url, secret.reveal())).status, 200)
      const { key } = (await askAdmin(gateway, `/api/keys/${id}`)).json as { key: { last_used_at: string | null } }
      assert.equal(key.last_used_at, null, 'gathered, not written with the call')
    }
    await using gateway = await startGateway({ folder, yaml: '{}\n' })
    const { key } = (await askAdmin(gateway, `/api/keys/${id}`)).json as {
      key: { last_used_at: string; last_used_from: string; version: number }
    }
    assert.ok(Date.parse(key.last_used_at) >= before && Date.parse(key.last_used_at) <= Date.now())
    assert.deepEqual([key.last_used_from, key.version], ['127.0.0.1', 1])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the end of a key is announced once, by the first start in its last week', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-end-'))
  const DAY = 86_400_000
  const announced = async (gateway: Awaited<ReturnType<typeof startGateway>>) =>
    (await gateway.ostiary.store.events.list({ limit: 100, type: 'key.expiring' })).map(event =>
      'subject' in event ? event.subject : null,
    )
  try {
    const ids: string[] = []
    let file = ''
    {
      await using gateway = await startGateway({ folder, yaml: '{}\n' })
      const { keys, dataDirectory } = gateway.ostiary
      file = dataDirectory.database
      for (const days of [30, 60]) {
        const wanted = { name: 'x', environment: 'test', lifetimeMs: days * DAY } as const
        ids.push((await keys.mint(wanted, internalActor('test'))).record.id)
      }
      assert.ok(!(await announced(gateway)).some(id => ids.includes(String(id))))
    }
    {
      // Time passes for one of them.
      using database = new DatabaseSync(file)
      database.prepare('update keys set expires_at = ? where id = ?').run(Date.now() + 6 * DAY, ids[0] as string)
    }
    for (let start = 0; start < 2; start++) {
      await using gateway = await startGateway({ folder })
      const own = await until('the event', async () => {
        const found = (await announced(gateway)).filter(id => ids.includes(String(id)))
        return found.length > 0 && found
      })
      assert.deepEqual(own, [ids[0]])
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
