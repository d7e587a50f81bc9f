import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from './exchange-under-test.ts'

const PATH = '/v1/embeddings'

async function vectors(body: object): Promise<number[][]> {
  const { object, data } = (await ask(PATH, { model: 'm', ...body })).json()
  assert.equal(object, 'list')
  assert.deepEqual(
    data.map((item: { index: number }) => item.index),
    [...data.keys()],
  )
  return data.map((item: { embedding: number[] }) => item.embedding)
}

test('vectors have length 1, 1536 dimensions and follow from the input alone', async () => {
  const [hello, you, again] = await vectors({ input: ['Hello', 'you', 'Hello'] })
  assert.equal(hello?.length, 1536)
  assert.ok(Math.abs(Math.hypot(...(hello ?? [])) - 1) < 1e-5)
  assert.deepEqual(hello, again)
  assert.notDeepEqual(hello, you)
  assert.deepEqual(await vectors({ input: 'Hello' }), [hello])
})

test('takes texts and tokens, alone or as a list', async () => {
  for (const [input, count, tokens] of [
    ['Hello you', 1, 2],
    [['Hello', 'you'], 2, 2],
    [[1, 2, 3], 1, 3],
    [[[1], [2, 3]], 2, 3],
  ] as const) {
    const { data, usage } = (await ask(PATH, { model: 'm', input, dimensions: 2 })).json()
    assert.equal(data.length, count)
    assert.deepEqual(usage, { prompt_tokens: tokens, total_tokens: tokens })
  }
})

for (const wrong of [
  { input: '' },
  { input: [] },
  { input: [''] },
  { input: [[]] },
  { input: [1, 'a'] },
  { input: [-1] },
  { input: {} },
  { input: 'a', dimensions: 0 },
  { input: 'a', dimensions: 3073 },
  { input: 'a', encoding_format: 'hex' },
  { input: Array(2049).fill('a') },
]) {
  test(`refuses ${JSON.stringify(wrong).slice(0, 50)}`, async () => {
    assert.equal((await ask(PATH, { model: 'm', ...wrong })).status, 400)
  })
}

test('comes embedding by embedding, so that many never pile up', async () => {
  const { chunks } = await ask(PATH, { model: 'm', input: Array(100).fill('a') })
  assert.equal(chunks.length, 100)
})
