import type { Faults } from './faults.ts'
import { suggest } from './nearest.ts'
import { checkDecide } from './rules-decide.ts'
import { checkIntrospection } from './rules-introspection.ts'
import { checkIssuerKeys } from './rules-issuer-keys.ts'
import { checkIssuers } from './rules-issuers.ts'
import { checkLimits } from './rules-limits.ts'
import { checkNetwork } from './rules-network.ts'
import { checkServices } from './rules-services.ts'
import type { Config } from './schema.ts'

/** A configuration from which whatever does not fit its schema has been left out. */
export type Draft = DeepPartial<Config>
type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T

/**
 * Checks what one member means for another. `providerNames` are all that are written, well or not; `open` = every model
 * of a provider may be named.
 */
export function checkRules(draft: Draft, providerNames: readonly string[], open: boolean, faults: Faults): void {
  checkLimits(draft, open, faults)
  checkServices(draft, faults)
  checkDecide(draft, faults)
  checkIssuers(draft, open, faults)
  checkIssuerKeys(draft, faults)
  checkPorts(draft, faults)
  checkLifetimes(draft, faults)
  checkAnchors(draft, faults)
  checkIntrospection(draft, faults)
  checkNetwork(draft, faults)
  for (const [name, provider] of Object.entries(draft.providers ?? {})) {
    if (provider?.format === 'sandbox' && provider.tags !== undefined && !provider.tags.includes('test')) {
      faults.add(['providers', name, 'tags'], 'must contain "test": a sandbox serves test keys')
    }
    if (provider !== undefined && 'callerToken' in provider && provider.callerToken !== undefined) {
      const issuers = Object.keys(draft.issuers ?? {})
      if (!issuers.includes(provider.callerToken)) {
        const hint = suggest(provider.callerToken, issuers)
        faults.add(['providers', name, 'callerToken'], `there is no issuer of this name${hint}`)
      }
      if (provider.credential !== undefined) {
        faults.add(['providers', name, 'credential'], 'must not be set: the caller’s token is sent instead')
      }
    }
    if (
      name === 'sandbox' &&
      draft.sandbox !== false &&
      provider?.format !== undefined &&
      provider.format !== 'sandbox'
    ) {
      faults.add(['providers', name], 'is the name of the built-in sandbox; choose another or set `sandbox: false`')
    }
  }
  for (const [alias, model] of Object.entries(draft.models ?? {})) {
    if (model?.provider !== undefined && !providerNames.includes(model.provider)) {
      const hint = suggest(model.provider, providerNames)
      faults.add(['models', alias, 'provider'], `there is no provider of this name${hint}`)
    }
    if (model?.model !== undefined && alias.endsWith('*')) {
      faults.add(
        ['models', alias, 'model'],
        'must not be set where the name ends in `*`: each model keeps its own name',
      )
    }
  }
}

function checkPorts(draft: Draft, faults: Faults): void {
  const { public: gateway, admin } = draft.listeners ?? {}
  if (gateway?.port !== undefined && gateway.port !== 0 && gateway.port === admin?.port) {
    faults.add(['listeners', 'admin', 'port'], 'must differ from listeners.public.port')
  }
}

function checkAnchors(draft: Draft, faults: Faults): void {
  const anchors = draft.audit?.anchors ?? {}
  const needs = [
    ['webhook', ['webhookSecret']],
    ['s3', ['s3Region', 's3AccessKeyId', 's3SecretAccessKey']],
  ] as const
  for (const [target, members] of needs) {
    if (anchors[target] === undefined) continue
    for (const member of members.filter(name => anchors[name] === undefined)) {
      faults.add(['audit', 'anchors', member], `is missing: what is sent to \`${target}\` is signed`)
    }
  }
}

function checkLifetimes(draft: Draft, faults: Faults): void {
  const { defaultLifetimeDays, maxLifetimeDays } = draft.keys ?? {}
  if (defaultLifetimeDays === undefined || maxLifetimeDays === undefined || maxLifetimeDays === null) return
  if (defaultLifetimeDays > maxLifetimeDays) {
    faults.add(['keys', 'defaultLifetimeDays'], `must not exceed keys.maxLifetimeDays, which is ${maxLifetimeDays}`)
  }
}
