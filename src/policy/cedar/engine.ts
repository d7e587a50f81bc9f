import type { Action } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import type { CallContext, Decide, Decision, Resource } from '#policy/decision.ts'
import { DecisionCache } from './decision-cache.ts'
import type { Policy } from './policy.ts'
import { compileGroups, createPolicySet, failed, type PolicySet, SILENT, type Verdict } from './policy-set.ts'
import { isVolatile, readsOf } from './reads.ts'
import type { Vocabulary } from './vocabulary.ts'

/** The policies of one generation, ready to decide. Disposed when its last call is over. */
export interface Engine extends Disposable {
  readonly decide: Decide
}

/** What is remembered: what the policies say that cannot say anything else of this caller, action and resource. */
interface Remembered {
  readonly enforced: Verdict
  readonly shadow: Verdict
  /** The decision, where none of the others concerns the action. */
  readonly decision: Decision
}

/**
 * Policies that read nothing that changes from call to call are asked once for each caller, action and resource; the others
 * at each call (docs/decisions/0047). Together they say what one set of all of them would say.
 */
export function createEngine(policies: readonly Policy[], vocabulary: Vocabulary): Engine {
  using opened = new DisposableStack()
  const groupsOf = compileGroups(vocabulary.modelGroups)
  const changing = new Set(policies.filter(({ json }) => isVolatile(readsOf(json))))
  const open = (shadow: boolean, volatile: boolean): PolicySet | null => {
    const own = policies.filter(policy => policy.shadow === shadow && changing.has(policy) === volatile)
    return own.length === 0 ? null : opened.use(createPolicySet(own, vocabulary, groupsOf))
  }
  const stable = { enforced: open(false, false), shadow: open(true, false) }
  const volatile = { enforced: open(false, true), shadow: open(true, true) }
  const actions = new Map(vocabulary.actions.map(action => [action.id, action]))
  const cache = new DecisionCache<Remembered>()

  const remember = (principal: VerifiedIdentity, action: Action, resource: Resource): Remembered => {
    const key = `${action.id}\n${resource.kind}\n${resource.provider ?? ''}\n${resource.test}\n${resource.id}`
    const known = cache.get(principal, key)
    if (known !== undefined) return known
    const enforced = ask(stable.enforced, principal, action, resource, NO_CALL)
    const shadow = ask(stable.shadow, principal, action, resource, NO_CALL)
    const found: Remembered = { enforced, shadow, decision: combine([enforced], [shadow]) }
    cache.set(principal, key, found)
    return found
  }
  const closing = opened.move()
  return {
    decide(principal, { id }, resource, call) {
      // The generation’s own: what is remembered by an action’s id must follow from it.
      const action = actions.get(id)
      if (action === undefined) return combine([failed(`the action ${id} is none of this configuration`)], [])
      const { enforced, shadow, decision } = remember(principal, action, resource)
      if (!volatile.enforced?.concerns(action) && !volatile.shadow?.concerns(action)) return decision
      return combine(
        [enforced, ask(volatile.enforced, principal, action, resource, call)],
        [shadow, ask(volatile.shadow, principal, action, resource, call)],
      )
    },
    [Symbol.dispose]: () => closing.dispose(),
  }
}

function ask(
  set: PolicySet | null,
  principal: VerifiedIdentity,
  action: Action,
  resource: Resource,
  call: CallContext,
): Verdict {
  return set?.concerns(action) ? set.evaluate(principal, action, resource, call) : SILENT
}

/** What stable policies are told of a call. They read none of it. */
const NO_CALL: CallContext = {
  get address(): never {
    throw new Error('a stable policy read the address of a call')
  },
  get at(): never {
    throw new Error('a stable policy read the time of a call')
  },
  features() {
    throw new Error('a stable policy read the features of a call')
  },
}

/** Forbid wins over permit, an error over both. */
function combine(enforced: readonly Verdict[], shadow: readonly Verdict[]): Decision {
  const { allowed, policies, error } = conclude(enforced)
  const other = conclude([...enforced, ...shadow])
  return Object.freeze({
    allowed,
    policies,
    error,
    shadow: other.allowed === allowed ? null : Object.freeze({ allowed: other.allowed, policies: other.policies }),
  })
}

function conclude(verdicts: readonly Verdict[]): Omit<Decision, 'shadow'> {
  const [permits = [], forbids = [], errors = []] = (['permits', 'forbids', 'errors'] as const).map(what =>
    verdicts.flatMap(verdict => verdict[what]),
  )
  const allowed = errors.length === 0 && forbids.length === 0 && permits.length > 0
  const policies = Object.freeze((allowed ? permits : forbids).toSorted())
  return { allowed, policies, error: errors.length === 0 ? null : errors.toSorted().join('; ') }
}
