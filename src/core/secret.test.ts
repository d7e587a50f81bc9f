import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { pino } from 'pino'
import { Secret } from './secret.ts'

const secret = new Secret('hunter2')
const printed: Record<string, string> = {
  String: String(secret),
  template: `${secret}`,
  concatenation: `x${secret}`,
  JSON: JSON.stringify({ secret, list: [secret] }),
  inspect: inspect({ deep: { secret } }, { depth: null, showHidden: true, getters: true }),
  'inspect without custom printing': inspect(secret, { customInspect: false, showHidden: true, depth: null }),
  'format %s': format('%s', secret),
  'format %o': format('%o %O %j', secret, secret, secret),
  keys: Object.getOwnPropertyNames(secret).join(),
  spread: JSON.stringify({ ...secret }),
  clone: inspect(structuredClone(secret)),
  error: inspect(new Error('failed', { cause: secret })),
}

for (const [way, text] of Object.entries(printed)) {
  test(`does not show its value by ${way}`, () => assert.doesNotMatch(text, /hunter2/))
}

for (const way of ['String', 'template', 'JSON', 'inspect', 'format %s']) {
  test(`says [redacted] by ${way}`, () => assert.match(printed[way] ?? '', /\[redacted\]/))
}

test('a log line shows [redacted]', () => {
  const lines: string[] = []
  pino({}, { write: text => lines.push(text) }).info({ secret, deep: { secret } }, 'message')
  const line = lines.join('')
  assert.doesNotMatch(line, /hunter2/)
  assert.match(line, /"secret":"\[redacted\]"/)
})

test('tells its value when asked to', () => assert.equal(secret.reveal(), 'hunter2'))
