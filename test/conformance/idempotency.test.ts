import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { IdempotencyClaim, Store } from '#store/ports.ts'
import { adapters } from './store-adapters.ts'

const NOW = 1_800_000_000_000
const claim: IdempotencyClaim = {
  operator: 'tok_1',
  operation: 'keysCreate',
  keyHash: 'a'.repeat(64),
  requestHash: 'b'.repeat(64),
  expiresAt: NOW + 1000,
}

for (const [name, start] of Object.entries(adapters)) {
  describe(`idempotency keys on ${name}`, async () => {
    const adapter = await start()
    after(() => adapter[Symbol.asyncDispose]())

    const withStore = (title: string, check: (store: Store['idempotency']) => Promise<void>) =>
      test(title, async () => {
        await using database = await adapter.open()
        await database.migrate()
        await check((await database.connect()).idempotency)
      })

    withStore('belong to who claims first, of any number at once', async store => {
      const claims = await Promise.all(Array.from({ length: 8 }, () => store.claim(claim, NOW)))
      assert.equal(claims.filter(found => found === null).length, 1)
      for (const found of claims)
        if (found !== null) assert.deepEqual(found, { requestHash: claim.requestHash, answer: null })
    })

    withStore('tell what the first request was and how it was answered', async store => {
      await store.claim(claim, NOW)
      await store.complete(claim, 'the answer')
      const other = { ...claim, requestHash: 'c'.repeat(64) }
      assert.deepEqual(await store.claim(other, NOW), { requestHash: claim.requestHash, answer: 'the answer' })
    })

    withStore('are an operator’s own, for one operation', async store => {
      await store.claim(claim, NOW)
      await store.complete(claim, 'the answer')
      assert.equal(await store.claim({ ...claim, operator: 'tok_2' }, NOW), null)
      assert.equal(await store.claim({ ...claim, operation: 'keysRevoke' }, NOW), null)
      assert.equal(await store.claim({ ...claim, keyHash: 'd'.repeat(64) }, NOW), null)
    })

    withStore('may be used again after their time, or once released', async store => {
      await store.claim(claim, NOW)
      assert.notEqual(await store.claim(claim, NOW + 999), null)
      assert.equal(await store.claim({ ...claim, expiresAt: NOW + 5000 }, NOW + 1000), null)
      await store.release(claim)
      assert.equal(await store.claim(claim, NOW + 1000), null)
    })
  })
}
