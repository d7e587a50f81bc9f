import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutUsageChunk } from './usage-chunk.ts'

const text = 'data: {"choices":[{"delta":{"content":"x"}}],"usage":null}\n\n'
const done = 'data: [DONE]\n\n'
const drop = (events: string) => withoutUsageChunk(Buffer.from(events)).toString()

for (const extra of [
  'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
  'data:{"usage":{"prompt_tokens":1},"choices": [ ]}\n\n',
  'id: 7\nevent: chunk\ndata: {"id":"x","choices" : [],\ndata: "usage":{}}\n\n',
  'data: {"choices":[],"usage":{"note":"\\"choices\\":[]"}}\n\n',
]) {
  test(`takes out ${JSON.stringify(extra)} and nothing else`, () => {
    for (const [before, after] of [
      [text, done],
      ['', done],
      [text, ''],
      [`: comment\n\n${text}${text}`, `${done}: end\n\n`],
    ]) {
      assert.equal(drop(before + extra + after), `${before}${after}`)
      assert.equal(
        drop((before + extra + after).replaceAll('\n', '\r\n')),
        `${before}${after}`.replaceAll('\n', '\r\n'),
      )
    }
    assert.equal(drop(text + extra.trimEnd()), text, 'not ended by a blank line')
    assert.equal(drop(extra + extra), '')
  })
}

for (const kept of [
  'data: {"choices":[],"usage":null}\n\n',
  'data: {"choices":[],"prompt_filter_results":[]}\n\n',
  'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n',
  'data: {"choices":[{"delta":{"content":"\\"choices\\":[],\\"usage\\":{}"}}],"usage":{}}\n\n',
  'data: {"x":{"choices":[],"usage":{}}}\n\n',
  'data: "choices":[],"usage":{}\n\n',
  'data: {"choices":[],"usage":{}\n\n',
  ': "choices":[],"usage":{}\n\n',
]) {
  test(`leaves ${JSON.stringify(kept)}`, () => assert.equal(drop(text + kept + done), text + kept + done))
}
