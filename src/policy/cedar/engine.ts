import type { Action } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import type { CallContext, Decide, Decision } from '#policy/decision.ts'
import { DecisionCache } from './decision-cache.ts'
import type { Policy } from './policy.ts'
import { compileGroups, createPolicySet, failed, type PolicySet, SILENT, type Verdict } from './policy-set.ts'
import { type Changing, changesWith, readsOf } from './reads.ts'
import type { Vocabulary } from './vocabulary.ts'

/** The policies of one generation, ready to decide. Disposed when its last call is over. */
export interface Engine extends Disposable {
  readonly decide: Decide
}

/** What policies said of a caller, action and resource, and what follows from it where no others concern the action. */
interface Said {
  readonly enforced: readonly Verdict[]
  readonly shadow: readonly Verdict[]
  readonly decision: Decision
}

/** The policies that change with the same; null = there are none. */
interface Sets {
  readonly enforced: PolicySet | null
  readonly shadow: PolicySet | null
}

/**
 * Policies that read nothing that changes from call to call are asked once for each caller, action and resource; those that
 * read of it the address alone, once for each address too; the others at each call (docs/decisions/0047). Together they say
 * what one set of all of them would say.
 */
export function createEngine(policies: readonly Policy[], vocabulary: Vocabulary): Engine {
  using opened = new DisposableStack()
  const groupsOf = compileGroups(vocabulary.modelGroups)
  const changing = new Map(policies.map(policy => [policy, changesWith(readsOf(policy.json))]))
  const open = (shadow: boolean, by: Changing): PolicySet | null => {
    const own = policies.filter(policy => policy.shadow === shadow && changing.get(policy) === by)
    return own.length === 0 ? null : opened.use(createPolicySet(own, vocabulary, groupsOf))
  }
  const setsOf = (by: Changing): Sets => ({ enforced: open(false, by), shadow: open(true, by) })
  const [stable, byAddress, byCall] = [setsOf('nothing'), setsOf('address'), setsOf('call')]
  const actions = new Map(vocabulary.actions.map(action => [action.id, action]))
  const known = new DecisionCache<Said>()
  const knownByAddress = new DecisionCache<Said>()
  const closing = opened.move()
  return {
    decide(principal, { id }, resource, call) {
      // The generation’s own: what is remembered by an action’s id must follow from it.
      const action = actions.get(id)
      if (action === undefined) return combine([failed(`the action ${id} is none of this configuration`)], [])
      const key = `${action.id}\n${resource.kind}\n${resource.provider ?? ''}\n${resource.test}\n${resource.id}`
      let said = recall(known, principal, key, () => ask(stable, null, principal, action, resource, NO_CALL))
      if (concern(byAddress, action)) {
        const [before, { address }] = [said, call]
        // An address has no line break: no other two make the same key.
        said = recall(knownByAddress, principal, `${address}\n${key}`, () =>
          ask(byAddress, before, principal, action, resource, callFrom(address)),
        )
      }
      return concern(byCall, action) ? ask(byCall, said, principal, action, resource, call).decision : said.decision
    },
    [Symbol.dispose]: () => closing.dispose(),
  }
}

function recall(cache: DecisionCache<Said>, principal: VerifiedIdentity, key: string, find: () => Said): Said {
  const known = cache.get(principal, key)
  if (known !== undefined) return known
  const found = find()
  cache.set(principal, key, found)
  return found
}

function concern({ enforced, shadow }: Sets, action: Action): boolean {
  return enforced?.concerns(action) === true || shadow?.concerns(action) === true
}

/** What is said, with what was said `before`. */
function ask(
  { enforced, shadow }: Sets,
  before: Said | null,
  ...[principal, action, resource, call]: Parameters<Decide>
): Said {
  const verdictOf = (set: PolicySet | null) =>
    set?.concerns(action) ? set.evaluate(principal, action, resource, call) : SILENT
  const said = {
    enforced: [...(before?.enforced ?? []), verdictOf(enforced)],
    shadow: [...(before?.shadow ?? []), verdictOf(shadow)],
  }
  return { ...said, decision: combine(said.enforced, said.shadow) }
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

/** What those are told that read its address alone. */
function callFrom(address: string): CallContext {
  return Object.defineProperty(Object.create(NO_CALL), 'address', { value: address })
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
