import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import type { Expr, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import { runCommand } from '#cli/commands.ts'
import { compileCases } from '#compile-cases.ts'
import { loadConfig } from '#config/load.ts'
import { readCases } from '#config/policy-cases.ts'
import { openPolicies } from '#open-policies.ts'
import { runCases } from '#policy/cases/run-cases.ts'
import { createEngine } from '#policy/cedar/engine.ts'
import type { Policy } from '#policy/cedar/policy.ts'

// The cases of the shipped policies, and the proof that they are worth something: whatever is taken from a policy or put
// into it, a case turns red.

const config = 'test/policies/ostiary.yaml'
const open = openPolicies(loadConfig({ env: {}, file: config, withSecrets: false }))
const files = globSync('test/policies/shipped/*.yaml').sort()
const cases = files.flatMap(file => compileCases(readCases(file, readFileSync(file, 'utf8')), open))

function judgeBy(policies: readonly Policy[]) {
  using engine = createEngine(policies, open.vocabulary)
  return runCases(cases, engine.decide)
}

describe('the shipped policies', () => {
  it('decide their cases as expected', () => {
    const { verdicts } = judgeBy(open.policies)
    assert.ok(verdicts.length > 30)
    assert.deepEqual(
      verdicts.flatMap(({ of, differences }) => differences.map(difference => `${of.where}: ${difference}`)),
      [],
    )
  })

  it('are tested as operators test their own', async () => {
    const written = { stdout: '', stderr: '' }
    const code = await runCommand(['policy', 'test', '--config', config, 'test/policies/shipped'], {
      env: {},
      stdout: { write: text => (written.stdout += text) },
      stderr: { write: text => (written.stderr += text) },
    })
    assert.deepEqual([code, written.stderr], [0, ''])
    assert.match(written.stdout, /^\d\d decisions of \d\d cases in 2 files: all as expected\.\n$/)
  })

  it('each determine a case', () => {
    const { determining } = judgeBy(open.policies)
    assert.deepEqual([...determining].sort(), open.policies.map(({ id }) => id).sort())
  })
})

/** What it changes to nothing that anybody could notice, and why. */
const EQUIVALENT: Readonly<Record<string, string>> = {
  'ostiary.auditor for every action': 'what it permits beyond reading, ostiary.auditor-only-reads forbids',
}

describe('a change of a shipped policy turns a case red', () => {
  for (const policy of open.policies) {
    for (const { what, json } of mutationsOf(policy.json)) {
      const title = `${policy.id} ${what}`
      it(title, () => {
        const changed = open.policies.flatMap(each => {
          if (each !== policy) return [each]
          return json === null ? [] : [{ ...each, effect: json.effect, json }]
        })
        const { verdicts } = judgeBy(changed)
        const red = verdicts.filter(({ differences }) => differences.length > 0)
        if (title in EQUIVALENT) assert.deepEqual(red, [], 'it is noticed: take it off the list')
        else assert.ok(red.length > 0, 'no case notices it')
      })
    }
  }
})

interface Mutation {
  readonly what: string
  /** null = the policy is taken away. */
  readonly json: PolicyJson | null
}

/** All that a slip of the pen may do to a policy. */
function mutationsOf(json: PolicyJson): Mutation[] {
  const { effect, principal, action, resource, conditions } = json
  const flipped = effect === 'permit' ? 'forbid' : 'permit'
  return [
    { what: `with ${flipped} for ${effect}`, json: { ...json, effect: flipped } },
    { what: 'taken away', json: null },
    ...(principal.op === 'All' ? [] : [{ what: 'for everyone', json: { ...json, principal: { op: 'All' } as const } }]),
    ...(action.op === 'All' ? [] : [{ what: 'for every action', json: { ...json, action: { op: 'All' } as const } }]),
    ...(resource.op === 'All' ? [] : [{ what: 'on everything', json: { ...json, resource: { op: 'All' } as const } }]),
    ...actionsLeftOut(json),
    ...(conditions.length === 0 ? [] : [{ what: 'without its conditions', json: { ...json, conditions: [] } }]),
    ...conditions.flatMap(({ kind, body }, index) => {
      const replace = (clause: PolicyJson['conditions'][number]) => ({
        ...json,
        conditions: conditions.with(index, clause),
      })
      const other = kind === 'when' ? 'unless' : 'when'
      return [
        { what: `with ${other} for ${kind}`, json: replace({ kind: other, body }) },
        ...conjuncts(body).map((half, side) => ({
          what: `with half ${side + 1} of its condition`,
          json: replace({ kind, body: half }),
        })),
      ]
    }),
  ]
}

/** Of a policy for several actions, the same without one of them. */
function actionsLeftOut(json: PolicyJson): Mutation[] {
  const { action } = json
  if (action.op !== 'in' || !('entities' in action)) return []
  return action.entities.map((_, index) => ({
    what: `without the action number ${index + 1}`,
    json: { ...json, action: { op: 'in', entities: action.entities.toSpliced(index, 1) } },
  }))
}

function conjuncts(body: Expr): Expr[] {
  if (!('&&' in body)) return []
  const { left, right } = body['&&'] as { left: Expr; right: Expr }
  return [left, right]
}
