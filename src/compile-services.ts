import { CREDENTIAL_HEADERS } from '#auth/credentials.ts'
import type { Config } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import { plainName } from '#core/plain-name.ts'
import { serviceActions } from '#core/service-actions.ts'
import { createUpstream } from '#http/upstream.ts'
import { compileOperations, type ServiceUpstream } from '#services/service.ts'
import { createServiceTable, type ServiceTable } from '#services/service-table.ts'

type ServiceConfig = Config['services'][string]

/** The services of a configuration, each with connections of its own. */
export function compileServices(
  { services }: Config,
  secrets: SecretValues,
  open: AsyncDisposableStack,
  publicUrl: string,
): ServiceTable {
  const { protocol, host, port } = new URL(publicUrl)
  const compiled = Object.entries(services).map(([name, config]) => ({
    name,
    test: config.tags.includes('test'),
    host: config.host ?? null,
    path: config.path ?? '',
    publicProto: protocol.slice(0, -1),
    publicHost: config.host === undefined ? host : port === '' ? config.host : `${config.host}:${port}`,
    identity: config.identity,
    webSocket: config.webSocket,
    maxBodyBytes: config.maxBodyBytes,
    upstream: config.url === undefined ? null : compileUpstream(config.url, config, secrets, open),
    operations: [...serviceActions(name, config).values()].map(({ id }) => id),
    operationOf: compileOperations(name, config),
  }))
  return createServiceTable(compiled)
}

function compileUpstream(
  url: string,
  config: ServiceConfig,
  secrets: SecretValues,
  open: AsyncDisposableStack,
): ServiceUpstream {
  const { origin, pathname } = new URL(url)
  const { allowPrivateNetwork = false, credential } = config
  const header = config.credentialHeader.toLowerCase()
  const upstream = open.use(createUpstream({ ...config, allowPrivateNetwork, origin, redirects: 'pass' }))
  const usualScheme = header === 'authorization' ? 'Bearer' : null
  return {
    origin,
    basePath: pathname.replace(/\/+$/, ''),
    stripPath: config.stripPath,
    withheldHeaders: new Set([...CREDENTIAL_HEADERS, header, ...config.stripHeaders.map(plainName)]),
    credential:
      credential === undefined
        ? null
        : { header, scheme: config.credentialScheme ?? usualScheme, secret: secrets.get(credential) },
    callerTokenOf: config.callerToken ?? null,
    idleTimeoutMs: config.idleTimeoutMs,
    send: upstream.send,
  }
}
