import type { IssuerOperations, LiveIssuer } from '#admin/issuer-operations.ts'
import type { LoadedConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import type { FetchDocument } from '#issuers/keys/fetch-document.ts'
import type { KeySetStatus } from '#issuers/keys/key-set.ts'
import { checkIssuer, type IssuerReport } from '#issuers/review/check-issuer.ts'
import { compileIntrospections } from './compile-introspections.ts'
import { compileIssuers } from './compile-issuers.ts'
import { compileKeySources } from './compile-key-sources.ts'
import type { IssuerKeySource } from './issuer-keys.ts'

interface LiveIssuersOptions {
  /** The configuration in effect. */
  readonly current: () => Pick<LoadedConfig, 'config' | 'secrets'>
  readonly keys: Pick<IssuerKeySource, 'status'>
  readonly fetchDocument: FetchDocument
  readonly clock: Clock
}

/** The issuers of the configuration in effect, as operators see them. */
export function createLiveIssuers({ current, keys, fetchDocument, clock }: LiveIssuersOptions): IssuerOperations {
  const running = new Map<string, Promise<IssuerReport>>()
  const statusOf = (name: string): KeySetStatus =>
    keys.status(name) ?? { source: '', keys: null, isCurrent: false, fetchedAt: null, failure: null }

  const list = (): LiveIssuer[] => {
    const { config } = current()
    return compileIssuers(config)
      .map(({ name, issuer, audience, algorithms }) => {
        const { jwksFile, jwksUrl, preset } = config.issuers[name] as Config['issuers'][string]
        const { fetchedAt, failure, ...status } = statusOf(name)
        return {
          name,
          preset,
          issuer,
          audience: [...audience],
          algorithms: [...algorithms],
          keysFrom: jwksFile !== undefined ? 'file' : jwksUrl !== undefined ? 'jwks_url' : 'discovery',
          keys: status.keys,
          fetchedAt: fetchedAt === null ? null : clock() - (performance.now() - fetchedAt),
          failure: failure?.message ?? null,
        } as const
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  const check = async (name: string): Promise<IssuerReport> => {
    const { config, secrets } = current()
    const issuer = compileIssuers(config).find(issuer => issuer.name === name)
    const source = compileKeySources(config).get(name)
    if (issuer === undefined || source === undefined) throw new Problem('issuer.not_found')
    await using open = new AsyncDisposableStack()
    const [introspection = null] = compileIntrospections(config, [issuer], secrets, open)
    return await checkIssuer({ issuer, source, introspection, inEffect: statusOf(name), fetchDocument, clock })
  }

  return {
    list,
    find(name) {
      const found = list().find(issuer => issuer.name === name)
      if (found === undefined) throw new Problem('issuer.not_found')
      return found
    },
    /** One at a time of each: operators make an issuer be asked no more often than it answers. */
    async check(name) {
      const checking = running.get(name) ?? check(name).finally(() => running.delete(name))
      running.set(name, checking)
      return checking
    },
  }
}
