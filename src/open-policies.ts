import type { LoadedConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { type Action, modelActions } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { createEngine } from '#policy/cedar/engine.ts'
import type { Policy } from '#policy/cedar/policy.ts'
import { mergeReads, readsOf } from '#policy/cedar/reads.ts'
import type { Vocabulary } from '#policy/cedar/vocabulary.ts'
import type { Decide } from '#policy/decision.ts'
import type { Conditions, Question } from '#policy/explain.ts'
import { createCatalog, type Provider } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { compileOperations } from '#services/service.ts'
import { checkPolicies } from './check-policies.ts'
import { compileAdmission, compileListenerAccess } from './compile-admission.ts'
import { compileLogins } from './compile-issuers.ts'
import { compileModelEntries } from './compile-models.ts'
import { readPolicies, vocabularyOf } from './compile-policies.ts'

/** The policies of a configuration, to be asked without a call. */
export interface OpenPolicies extends Disposable {
  readonly vocabulary: Vocabulary
  /** The shipped ones and the operator’s own. */
  readonly policies: readonly Policy[]
  readonly decide: Decide
  readonly conditionsOf: (principal: VerifiedIdentity, action: Action) => Conditions
  /** Whether any of them may read the metadata of keys. */
  readonly readsTags: boolean
  /** Throws `model.not_found` or `model.wrong_format`, as the endpoint of the action does. */
  findModel(action: Action, model: string): Question['resource']
  /** Id of the action that a request to the service of another one is; `path` is below the service. */
  actionAt(action: Action, method: string, path: string): string
  /** The service whose action it is. */
  serviceOf(action: Action): Question['resource']
}

/** Throws `config.invalid` for policies that are not valid. */
export function openPolicies(loaded: Pick<LoadedConfig, 'config' | 'pending'>): OpenPolicies {
  const { config } = loaded
  checkPolicies(loaded)
  const vocabulary = vocabularyOf(config)
  const policies = readPolicies(config)
  const engine = createEngine(policies, vocabulary)
  const { principal: reads } = mergeReads(policies.map(({ json }) => readsOf(json)))
  const [allowsAddress, admissionOf, logins] = [
    compileListenerAccess(config),
    compileAdmission(config),
    compileLogins(config),
  ]
  const catalog = createCatalog(Object.entries(config.providers).map(silentProvider), compileModelEntries(config))
  return {
    vocabulary,
    policies,
    decide: engine.decide,
    readsTags: reads.tags || reads.whole,
    conditionsOf: ({ token }, action) => ({
      allowsAddress,
      login: token === null ? null : (logins.get(token.issuer) ?? null),
      admission: admissionOf(action),
    }),
    findModel(action, model) {
      const [format] = action.id.split('.') as [FormatName]
      const { provider, test, sandbox } = catalog.find(model, format)
      return { kind: 'model', id: model, provider: provider.name, test, sandbox }
    },
    actionAt(action, method, path) {
      const name = serviceNameOf(action)
      const service = config.services[name]
      if (service === undefined || action.group === 'services.connect') return action.id
      return compileOperations(name, service)(method, path, false).action.id
    },
    serviceOf(action) {
      const id = serviceNameOf(action)
      const test = config.services[id]?.tags.includes('test') === true
      return { kind: 'service', id, provider: null, test, sandbox: false }
    },
    [Symbol.dispose]: () => engine[Symbol.dispose](),
  }
}

function serviceNameOf({ id }: Action): string {
  return id.slice(0, id.indexOf('.'))
}

export function isModelAction({ id }: Action): boolean {
  return modelActions.some(action => action.id === id)
}

/** What the catalog finds models by; nothing is ever sent where no call is made. */
function silentProvider([name, config]: [string, Config['providers'][string]]): Provider {
  const send = () => {
    throw new TypeError('Nothing is sent where no call is made')
  }
  const rest = { name, credential: null, basePath: '', send }
  return config.format === 'sandbox'
    ? { ...rest, format: null, test: true }
    : { ...rest, format: config.format, test: config.tags.includes('test') }
}
