import type { KeyStatus } from '#store/ports.ts'
import type { CeilingVerdict, Explanation, PolicyVerdict, Question } from './explain.ts'

/** An explanation as operators are shown it, by the admin API and on the command line alike. */
export interface ExplanationView {
  readonly allowed: boolean
  readonly caller: {
    readonly kind: 'api_key' | 'user' | 'service'
    readonly id: string
    readonly project: string
    readonly environment: 'live' | 'test'
    readonly roles: string[]
    /** Of a stored key; null = the caller was described. */
    readonly status: KeyStatus | null
  }
  readonly action: string
  readonly resource: { readonly kind: 'model' | 'service'; readonly id: string }
  /** What was asked about, also what was assumed. */
  readonly context: {
    readonly ip: string
    readonly time: string
    readonly method: string | null
    readonly path: string | null
    readonly features: string[]
  }
  readonly ceilings: {
    readonly ceiling: CeilingVerdict['ceiling']
    readonly allows: boolean
    /** Code of the problem that a call which it stops is answered. */
    readonly problem: string
    /** Why it stops the call, as the caller is told; null = it does not. */
    readonly detail: string | null
    /** Scopes that the credential lacks. */
    readonly missing: string[]
  }[]
  readonly decision: {
    readonly allowed: boolean
    /** Ids of the policies that determine it. */
    readonly policies: string[]
    readonly error: string | null
    /** What would be if the policies in shadow were enforced; null = the same. */
    readonly shadow: { readonly allowed: boolean; readonly policies: string[] } | null
    /** Roles any one of which, if the caller had it too, would have the policies allow it. */
    readonly roles_that_allow: string[]
  }
  /** Those that may apply to the action. */
  readonly policies: {
    readonly id: string
    readonly file: string
    readonly shadow: boolean
    readonly says: PolicyVerdict['says']
  }[]
}

export function viewExplanation(
  { principal, action, resource, context: { address, at, method, path, features } }: Question,
  { allowed, ceilings, decision, policies, roles }: Explanation,
  status: KeyStatus | null,
): ExplanationView {
  const { kind, id, project, environment } = principal
  const { shadow } = decision
  return {
    allowed: allowed && (status === null || status === 'active'),
    caller: { kind, id, project, environment, roles: [...principal.roles], status },
    action: action.id,
    resource: { kind: resource.kind, id: resource.id },
    context: {
      ip: address,
      time: new Date(at).toISOString(),
      method: method ?? null,
      path: path ?? null,
      features: [...features()],
    },
    ceilings: ceilings.map(({ ceiling, holds, problem, detail, missing }) => ({
      ceiling,
      allows: holds,
      problem,
      detail,
      missing: [...missing],
    })),
    decision: {
      allowed: decision.allowed,
      policies: [...decision.policies],
      error: decision.error,
      shadow: shadow && { allowed: shadow.allowed, policies: [...shadow.policies] },
      roles_that_allow: [...roles],
    },
    policies: policies.map(({ policy, says }) => ({
      id: policy.id,
      file: policy.file,
      shadow: policy.shadow,
      says,
    })),
  }
}
