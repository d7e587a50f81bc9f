import type { DetailedError, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { PolicySource } from '#policy/decision.ts'
import { loadCedar } from './load-cedar.ts'
import type { Policy, PolicyFault } from './policy.ts'

/** All of the operator’s own together: each is asked about at a call. */
export const MAX_POLICIES = 2000

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.cedar$/
const ANNOTATIONS = ['id', 'shadow', 'description']

/** The policies of some files, and what is wrong with them. What has faults is not among the policies. */
export function parsePolicies(
  sources: readonly PolicySource[],
  shipped = false,
): { readonly policies: readonly Policy[]; readonly faults: readonly PolicyFault[] } {
  const policies: Policy[] = []
  const faults: PolicyFault[] = []
  for (const source of sources) {
    const { file } = source
    if (!FILE.test(file)) {
      const message =
        'rename the file: policies without an @id are named after it, by letters, digits, `.`, `_` and `-`'
      faults.push({ file, line: null, policy: null, message })
    } else parseFile(source, shipped, policies, faults)
  }
  const seen = new Map<string, Policy>()
  for (const policy of policies) {
    const other = seen.get(policy.id)
    seen.set(policy.id, policy)
    if (other === undefined) continue
    faults.push(faultOf(policy, `has the id of the one at ${other.file}:${other.line}`))
  }
  if (policies.length > MAX_POLICIES) {
    const { file } = policies[MAX_POLICIES] as Policy
    faults.push({
      file,
      line: null,
      policy: null,
      message: `there are ${policies.length} policies; at most ${MAX_POLICIES} may be`,
    })
  }
  return { policies, faults }
}

export function faultOf({ id, file, line }: Policy, message: string, at = line): PolicyFault {
  return { file, line: at, policy: id, message }
}

function parseFile({ file, text }: PolicySource, shipped: boolean, policies: Policy[], faults: PolicyFault[]): void {
  const parts = loadCedar().policySetTextToParts(text)
  if (parts.type === 'failure') {
    for (const error of parts.errors.flatMap(error => [error, ...(error.related ?? [])]).slice(0, 20)) {
      faults.push({ file, line: lineOf(text, error), policy: null, message: sayError(error) })
    }
    return
  }
  if (parts.policy_templates.length > 0) {
    const message = 'has templates (`?principal`, `?resource`), which nothing here fills in'
    faults.push({ file, line: null, policy: null, message })
    return
  }
  let from = 0
  for (const [index, part] of inOrder(parts.policies).entries()) {
    const start = text.indexOf(part, skipSpace(text, from))
    from = start + part.length
    const read = readPolicy(part)
    const policy: Policy = {
      id: read.annotations?.id ?? `${file}#${index + 1}`,
      file,
      line: text.slice(0, start).split('\n').length,
      effect: read.effect,
      shadow: Object.hasOwn(read.annotations ?? {}, 'shadow'),
      shipped,
      description: read.annotations?.description ?? null,
      text: part,
      json: withoutAnnotations(read),
    }
    const wrong = annotationFaults(policy, read.annotations ?? {})
    if (holdsInexact(policy.json)) wrong.push('has a number beyond ±9007199254740991, which would not be read exactly')
    faults.push(...wrong.map(message => faultOf(policy, message)))
    policies.push(policy)
  }
}

/** Cedar sorts by the names it gives, as text: `policy10` comes before `policy2`. */
function inOrder(parts: readonly string[]): string[] {
  const names = parts.map((_, index) => `policy${index}`).sort()
  const byName = new Map(names.map((name, index) => [name, parts[index] as string]))
  return parts.map((_, index) => byName.get(`policy${index}`) as string)
}

const SPACE = /(?:\s|\/\/[^\n]*)*/y

function skipSpace(text: string, from: number): number {
  SPACE.lastIndex = from
  SPACE.test(text)
  return SPACE.lastIndex
}

/** Syntax trees by their text: a configuration that is loaded anew has mostly the policies of the one before. */
const remembered = new Map<string, PolicyJson>()

function readPolicy(text: string): PolicyJson {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const answer = loadCedar().policyToJson(text)
  // It was just read as part of its file.
  if (answer.type === 'failure') throw new Error(answer.errors.map(sayError).join('; '))
  if (remembered.size >= 2 * MAX_POLICIES) remembered.clear()
  remembered.set(text, answer.json)
  return answer.json
}

function withoutAnnotations({ effect, principal, action, resource, conditions }: PolicyJson): PolicyJson {
  return { effect, principal, action, resource, conditions }
}

function annotationFaults({ id, shipped }: Policy, annotations: Readonly<Record<string, string | null>>): string[] {
  const faults: string[] = []
  const unknown = Object.keys(annotations).filter(name => !ANNOTATIONS.includes(name))
  for (const name of unknown) faults.push(`@${name} is not known; there are @id("…"), @shadow and @description("…")`)
  if (Object.hasOwn(annotations, 'id') && !ID.test(id)) {
    faults.push('its @id must be 1 to 64 letters, digits, `.`, `_` and `-`, a letter or digit first')
  }
  if (!shipped && id.startsWith('ostiary.'))
    faults.push('ids that begin with `ostiary.` are those of the shipped policies')
  if (annotations.shadow != null && annotations.shadow !== '') {
    faults.push('@shadow has no value: take it away to have the policy enforced')
  }
  return faults
}

/** Cedar hands its syntax trees over as JSON, whose numbers lose their last digits here: another policy than was reviewed. */
function holdsInexact(json: unknown): boolean {
  if (typeof json === 'number') return !Number.isSafeInteger(json)
  return typeof json === 'object' && json !== null && Object.values(json).some(holdsInexact)
}

/** Line of an error in a text, from 1; Cedar counts bytes. null = it does not say. */
export function lineOf(text: string, { sourceLocations }: DetailedError): number | null {
  const start = sourceLocations?.[0]?.start
  if (start === undefined) return null
  return Buffer.from(text).subarray(0, start).toString('utf8').split('\n').length
}

/** What Cedar says, without the name of the policy, which is said before. */
export function sayError({ message, help, sourceLocations }: DetailedError): string {
  const label = sourceLocations?.[0]?.label
  const more = [label, help].filter(text => text != null).join('; ')
  const said = message.replace(/^for policy `[^`]*`[,:] /, '')
  return more === '' ? said : `${said} (${more})`
}
