import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MAX_AT_ONCE, MAX_WAITING, QuestionTurns } from './question-turns.ts'

const PATIENT = 1000

/** Turns whose questions end when they are told to, in the order in which they began. */
function openTurns() {
  const turns = new QuestionTurns()
  const running: { readonly name: string; readonly end: (error?: Error) => void }[] = []
  const answers = new Map<string, unknown>()
  const ask = (source: string, name = source, waitMs = PATIENT) => {
    const question = () =>
      new Promise<string>((resolve, reject) => {
        running.push({ name, end: error => (error === undefined ? resolve(name) : reject(error)) })
      })
    void turns.take(source, waitMs, question).then(
      answer => answers.set(name, answer),
      error => answers.set(name, error),
    )
  }
  const many = (source: string, times: number) => {
    for (let n = 0; n < times; n++) ask(source, `${source}${n}`)
  }
  return { ask, many, running, answers }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

describe('turns of questions', () => {
  it('are as many at once as may be; the next begins when one ends, however it ends', async () => {
    const { many, running, answers } = openTurns()
    many('a', MAX_AT_ONCE + 2)
    assert.equal(running.length, MAX_AT_ONCE)
    running[0]?.end()
    running[1]?.end(new Error('failed'))
    await settled()
    assert.equal(running.length, MAX_AT_ONCE + 2)
    assert.equal(answers.get('a0'), 'a0')
    assert.ok(answers.get('a1') instanceof Error)
  })

  it('come first to whose source has the fewest', async () => {
    const { ask, many, running } = openTurns()
    many('flood', MAX_AT_ONCE + 50)
    ask('other')
    running[0]?.end()
    await settled()
    assert.equal(running.at(-1)?.name, 'other')
  })

  it('are waited for by a bounded number; the source with the most gives way', async () => {
    const { ask, many, running, answers } = openTurns()
    many('flood', MAX_AT_ONCE + MAX_WAITING)
    ask('flood', 'one more')
    await settled()
    assert.equal(answers.get('one more'), null)
    ask('other')
    await settled()
    assert.equal(answers.get(`flood${MAX_AT_ONCE + MAX_WAITING - 1}`), null, 'who came last')
    assert.equal(answers.size, 2)
    running[0]?.end()
    await settled()
    assert.equal(running.at(-1)?.name, 'other')
  })

  it('are given up in time, and are not taken later', async () => {
    const { ask, many, running, answers } = openTurns()
    many('a', MAX_AT_ONCE)
    ask('b', 'b', 20)
    while (answers.size === 0) await new Promise(resolve => setTimeout(resolve, 5))
    assert.deepEqual([...answers], [['b', null]])
    for (const { end } of running.splice(0)) end()
    await settled()
    assert.deepEqual(running, [])
  })
})
