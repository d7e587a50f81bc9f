import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparePolicies } from './compare-policies.ts'
import { policiesIn } from './policies-under-test.ts'

const compare = (before: string, after: string) => comparePolicies(policiesIn(before), policiesIn(after))
const forbid = '@id("night") forbid (principal, action, resource) when { context.ip.isIpv6() };'
const permit = '@id("all") permit (principal, action, resource);'

for (const [what, before, after, lines] of [
  ['added', '', permit, ['policies: added permit "all"']],
  ['removed', permit, '', ['policies: removed permit "all"']],
  ['removed that forbade', forbid, '', ['policies: loosened: removed forbid "night"']],
  ['written otherwise and the same', forbid, `// x\n${forbid.replaceAll(' ', '\n')}`, []],
  ['described', forbid, `@description("x")${forbid}`, []],
  ['put in shadow that forbade', forbid, `@shadow ${forbid}`, ['policies: loosened: forbid "night" is in shadow now']],
  ['put in shadow that permitted', permit, `@shadow ${permit}`, ['policies: permit "all" is in shadow now']],
  ['enforced', `@shadow ${forbid}`, forbid, ['policies: forbid "night" is enforced now']],
  ['removed from shadow', `@shadow ${forbid}`, '', ['policies: removed shadow forbid "night"']],
  ['changed that forbade', forbid, forbid.replace('6', '4'), ['policies: loosened, perhaps: changed forbid "night"']],
  [
    'changed that permitted',
    permit,
    permit.replace('principal', 'principal in Ostiary::Role::"admin"'),
    ['policies: changed permit "all"'],
  ],
  [
    'turned round',
    forbid,
    permit.replace('all', 'night'),
    ['policies: loosened, perhaps: changed forbid "night", now permit "night"'],
  ],
] as const) {
  test(`tells of a policy that is ${what}`, () => assert.deepEqual(compare(before, after), lines))
}

test('tells first what lets more through', () => {
  assert.deepEqual(compare(`${permit}${forbid}`, permit.replace('all', 'other')), [
    'policies: loosened: removed forbid "night"',
    'policies: removed permit "all"',
    'policies: added permit "other"',
  ])
})
