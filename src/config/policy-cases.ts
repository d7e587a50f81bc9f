import { complete } from './complete.ts'
import { Faults } from './faults.ts'
import { parseYaml } from './parse.ts'
import { policyCasesSchema } from './schema-policy-cases.ts'
import type { Loaded } from './shape.ts'

/** A case as it is written, with its defaults. */
export type WrittenCase = Loaded<typeof policyCasesSchema>['cases'][number]

/** A file of cases. What its cases name is not checked yet: faults of that are added to `faults`. */
export interface CaseFile {
  /** As it is shown. */
  readonly file: string
  readonly cases: readonly WrittenCase[]
  readonly faults: Faults
}

/** Throws `policy.cases_invalid` with one line for each thing that is wrong: also a file without a case is. */
export function readCases(file: string, text: string): CaseFile {
  const faults = new Faults(file)
  const parsed = parseYaml(text, faults)
  faults.throwIfAny('policy.cases_invalid')
  const { cases = [] } = (complete(policyCasesSchema, parsed, [], faults, []) ?? {}) as Partial<
    Loaded<typeof policyCasesSchema>
  >
  faults.throwIfAny('policy.cases_invalid')
  if (cases.length === 0) faults.add(['cases'], 'has no case: nothing would be tested')
  const names = new Set<string>()
  for (const [index, { name, actions, expect, by, because }] of cases.entries()) {
    const refuse = (member: string, message: string) => faults.add(['cases', String(index), member], message)
    if (names.has(name)) refuse('name', 'is the name of another case of the file')
    names.add(name)
    if (actions.length === 0) refuse('actions', 'names no action: nothing would be tested')
    if (by?.length === 0 && expect === 'allow') refuse('by', 'names no policy, but only a policy can permit')
    if (because !== undefined && expect === 'allow') refuse('because', 'must not be set: it says what refuses')
    if (by !== undefined && because !== undefined && because !== 'policy') {
      refuse('by', 'must not be set: what a ceiling refuses, no policy determines')
    }
  }
  faults.throwIfAny('policy.cases_invalid')
  return { file, cases, faults }
}
