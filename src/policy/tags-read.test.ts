import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tagsRead } from './tags-read.ts'

const read = (...texts: string[]) => {
  const names = tagsRead(texts.map(text => ({ text })))
  return names && [...names]
}
const when = (condition: string) => `permit (principal, action, resource) when { ${condition} };`

test('names the tags that are read', () => {
  assert.deepEqual(read(), [])
  assert.deepEqual(read(when('principal in Ostiary::Role::"getTags"')), [])
  const both = when('principal.hasTag("team") && principal.getTag ( "team" ) == "a" || principal\n.hasTag("cost.x")')
  assert.deepEqual(read(both, when('principal.hasTag("stage")')), ['team', 'cost.x', 'stage'])
})

test('says any where a name is worked out, escaped, or not beside its call', () => {
  for (const condition of [
    'principal.hasTag(if true then "a" else "b")',
    'principal.hasTag("te\\u{61}m")',
    'principal.hasTag(// why\n"team")',
    'principal.hasTag("team") && principal.getTag(context.environment) == "a"',
  ]) {
    assert.equal(read(when('principal.hasTag("other")'), when(condition)), null, condition)
  }
})
