import type { Config } from '#config/schema.ts'
import { type Action, modelActions } from '#core/action.ts'
import { listPolicies, type PolicyFacts } from '#policy/cedar/list-policies.ts'
import type { Vocabulary } from '#policy/cedar/vocabulary.ts'
import type { Decide, Resource } from '#policy/decision.ts'
import { createCatalog, type Provider } from '#providers/catalog.ts'
import type { FormatName } from '#providers/wire-format.ts'
import { compileModelEntries } from './compile-models.ts'
import { compilePolicies, policySources, vocabularyOf } from './compile-policies.ts'

/** The policies of a configuration, to be asked without a call. */
export interface OpenPolicies {
  readonly vocabulary: Vocabulary
  readonly policies: readonly PolicyFacts[]
  readonly decide: Decide
  /** Throws `model.not_found` or `model.wrong_format`, as the endpoint of the action does. */
  findModel(action: Action, model: string): OpenResource
  /** The service whose action it is. */
  serviceOf(action: Action): OpenResource
}

export interface OpenResource {
  readonly resource: Resource
  readonly sandbox: boolean
}

let opened = 0

/** Throws `config.invalid` for policies that are not valid. */
export function openPolicies(config: Config): OpenPolicies {
  const providers = Object.entries(config.providers).map(([name, provider]): Provider => {
    const isSandbox = provider.format === 'sandbox'
    return {
      name,
      format: provider.format === 'sandbox' ? null : provider.format,
      test: isSandbox || provider.tags.includes('test'),
      credential: null,
      basePath: '',
      send: () => {
        throw new TypeError('Nothing is sent where no call is made')
      },
    }
  })
  const catalog = createCatalog(providers, compileModelEntries(config))
  return {
    vocabulary: vocabularyOf(config),
    policies: listPolicies(policySources(config)),
    decide: compilePolicies(`open-${++opened}`, config),
    findModel(action, model) {
      const [format] = action.id.split('.') as [FormatName]
      const { provider, test, sandbox } = catalog.find(model, format)
      return { resource: { kind: 'model', id: model, provider: provider.name, test }, sandbox }
    },
    serviceOf: ({ id }) => ({
      resource: { kind: 'service', id: id.slice(0, id.indexOf('.')), provider: null, test: true },
      sandbox: false,
    }),
  }
}

export function isModelAction({ id }: Action): boolean {
  return modelActions.some(action => action.id === id)
}
