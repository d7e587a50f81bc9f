import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { type FastifyError, type FastifyRequest, fastify } from 'fastify'
import type { Refusal } from '#audit/recorder.ts'
import type { Clock } from '#core/clock.ts'
import { newId } from '#core/ids.ts'
import { Problem } from '#core/problems.ts'
import type { Revocations } from '#issuers/revocation/revocations.ts'
import type { BulkRevocation } from '#keys/bulk-revocation.ts'
import type { Keys } from '#keys/keys.ts'
import type { LeakReports } from '#keys/leak-reports.ts'
import type { OperatorTokens } from '#keys/operator-tokens.ts'
import type { Projects } from '#keys/projects.ts'
import type { EventStore, IdempotencyStore } from '#store/ports.ts'
import type { UsageStore } from '#store/usage-port.ts'
import { createFailedAttempts } from './failed-attempts.ts'
import { createGuard } from './guard.ts'
import { createIdempotency } from './idempotency.ts'
import type { IdentityKeyOperations } from './identity-key-operations.ts'
import type { IssuerOperations } from './issuer-operations.ts'
import { buildOpenApi, type OpenApi } from './openapi.ts'
import { describeOperation, type Operation } from './operation.ts'
import { auditEvents } from './operations/audit-events.ts'
import { configReload } from './operations/config-reload.ts'
import { health } from './operations/health.ts'
import { identityKeysList } from './operations/identity-keys-list.ts'
import { identityKeysRotate } from './operations/identity-keys-rotate.ts'
import { issuersCheck } from './operations/issuers-check.ts'
import { issuersList } from './operations/issuers-list.ts'
import { issuersShow } from './operations/issuers-show.ts'
import { keysCreate } from './operations/keys-create.ts'
import { keysDisable } from './operations/keys-disable.ts'
import { keysEnable } from './operations/keys-enable.ts'
import { keysList } from './operations/keys-list.ts'
import { keysReportLeak } from './operations/keys-report-leak.ts'
import { keysRevoke } from './operations/keys-revoke.ts'
import { keysRevokeMany } from './operations/keys-revoke-many.ts'
import { keysRotate } from './operations/keys-rotate.ts'
import { keysShow } from './operations/keys-show.ts'
import { keysUpdate } from './operations/keys-update.ts'
import { metricsShow } from './operations/metrics-show.ts'
import { openapiShow } from './operations/openapi-show.ts'
import { policyExplain } from './operations/policy-explain.ts'
import { projectsCreate } from './operations/projects-create.ts'
import { projectsDelete } from './operations/projects-delete.ts'
import { projectsList } from './operations/projects-list.ts'
import { projectsShow } from './operations/projects-show.ts'
import { projectsUpdate } from './operations/projects-update.ts'
import { revocationsCreate } from './operations/revocations-create.ts'
import { revocationsDelete } from './operations/revocations-delete.ts'
import { revocationsList } from './operations/revocations-list.ts'
import { revocationsShow } from './operations/revocations-show.ts'
import { secretsDelete } from './operations/secrets-delete.ts'
import { secretsList } from './operations/secrets-list.ts'
import { secretsRewrap } from './operations/secrets-rewrap.ts'
import { secretsRotate } from './operations/secrets-rotate.ts'
import { secretsSet } from './operations/secrets-set.ts'
import { tokensCreate } from './operations/tokens-create.ts'
import { tokensList } from './operations/tokens-list.ts'
import { tokensRevoke } from './operations/tokens-revoke.ts'
import { tokensShow } from './operations/tokens-show.ts'
import { usageList } from './operations/usage-list.ts'
import type { PolicyOperations } from './policy-operations.ts'
import { sendProblem, toProblem } from './problem-reply.ts'
import type { SecretOperations } from './secret-operations.ts'
import { readStrictJson, refuseUnwantedBody, requireStrictInput } from './strict-input.ts'

export interface AdminOptions {
  readonly keys: Keys
  readonly projects: Projects
  readonly bulk: BulkRevocation
  readonly leaks: LeakReports
  readonly events: Pick<EventStore, 'page'>
  readonly usage: Pick<UsageStore, 'list'>
  readonly secrets: SecretOperations
  readonly issuers: IssuerOperations
  readonly policies: PolicyOperations
  readonly identityKeys: IdentityKeyOperations
  readonly tokens: OperatorTokens
  readonly revocations: Revocations
  readonly idempotency: IdempotencyStore
  /** Under which answers are kept for idempotency keys; 32 bytes. */
  readonly deploymentSecret: Buffer
  /** Told of each request that is refused for its credential. */
  readonly onRefused: (refusal: Refusal) => void
  /** Configured origin, such as `http://localhost:8401`; undefined = follow the bound port. */
  readonly origin: string | undefined
  /** Resolves to what is not ready; empty = ready. */
  readonly notReady: () => Promise<string[]>
  /** Applies the configuration as it is now; resolves to what changed. Throws `config.invalid`. */
  readonly reload: (actor: string) => Promise<{ readonly generation: number; readonly changes: readonly string[] }>
  /** Resolves to the exposition of all metrics. */
  readonly metrics: () => Promise<string>
  readonly clock: Clock
  readonly logFailure: (requestId: string, error: unknown) => void
}

const MAX_BODY_BYTES = 64 * 1024

/** All that need an operator but for the document of them; each needs of the options what its own file says. */
const guardedOperations = [
  auditEvents,
  configReload,
  identityKeysList,
  identityKeysRotate,
  issuersCheck,
  issuersList,
  issuersShow,
  keysCreate,
  keysDisable,
  keysEnable,
  keysList,
  keysReportLeak,
  keysRevoke,
  keysRevokeMany,
  keysRotate,
  keysShow,
  keysUpdate,
  metricsShow,
  policyExplain,
  projectsCreate,
  projectsDelete,
  projectsList,
  projectsShow,
  projectsUpdate,
  revocationsCreate,
  revocationsDelete,
  revocationsList,
  revocationsShow,
  secretsDelete,
  secretsList,
  secretsRewrap,
  secretsRotate,
  secretsSet,
  tokensCreate,
  tokensList,
  tokensRevoke,
  tokensShow,
  usageList,
]

/** The admin listener: health for anyone, everything else for the operator. */
export function createAdminServer(options: AdminOptions) {
  const server = fastify({
    bodyLimit: MAX_BODY_BYTES,
    genReqId: () => newId('req', options.clock()),
    requestTimeout: 30_000,
    logger: false,
    // What the router cannot read gets past the error handler.
    frameworkErrors: (error, request, reply) => void sendProblem(reply, toProblem(error), request.id),
    // Unknown members are refused, not removed: a misspelt one would silently do nothing.
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 128 },
  })
    .setValidatorCompiler(TypeBoxValidatorCompiler)
    .withTypeProvider<TypeBoxTypeProvider>()

  readStrictJson(server)
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    requireOwnHost(request, options.origin)
  })
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = toProblem(error)
    if (problem.code === 'gateway.internal') options.logFailure(request.id, error)
    return sendProblem(reply, problem, request.id)
  })
  server.setNotFoundHandler((request, reply) => sendProblem(reply, new Problem('route.not_found'), request.id))

  const operations: Operation[] = []
  server.addHook('onRoute', route => {
    if (route.method === 'HEAD') return
    requireStrictInput(route)
    operations.push(describeOperation(route))
  })
  server.register(async open => health(open.withTypeProvider<TypeBoxTypeProvider>(), options))
  server.register(async guarded => {
    guarded.addHook('onRoute', ({ url, config }) => {
      if (config?.scope === undefined) throw new TypeError(`${url} says no scope`)
    })
    const attempts = createFailedAttempts({ clock: () => performance.now() })
    guarded.addHook('onRequest', createGuard({ ...options, attempts }))
    guarded.addHook('preValidation', refuseUnwantedBody)
    const idempotency = createIdempotency({ ...options, store: options.idempotency })
    guarded.addHook('preHandler', (request, reply) => idempotency.before(request, reply))
    guarded.addHook('onSend', (request, reply, payload) => idempotency.after(request, reply, payload))
    const typed = guarded.withTypeProvider<TypeBoxTypeProvider>()
    for (const register of guardedOperations) register(typed, options)
    let document: string | undefined
    openapiShow(typed, { document: () => (document ??= JSON.stringify(buildOpenApi(operations))) })
  })
  return Object.assign(server, {
    /** The description of its operations, as soon as the server is ready. */
    openApi: (): OpenApi => buildOpenApi(operations),
  })
}

export type AdminServer = ReturnType<typeof createAdminServer>

/** The host must be this listener's own and the origin, where a browser sends one, too (DNS rebinding, CSRF). */
function requireOwnHost(request: FastifyRequest, origin: string | undefined): void {
  const port = request.socket.localPort
  const own = [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]
  if (origin !== undefined) own.push(new URL(origin).host)
  if (!own.includes(request.headers.host ?? '')) throw new Problem('admin.host_refused')
  const sent = request.headers.origin
  if (sent !== undefined && !own.some(host => sent === `http://${host}` || sent === `https://${host}`)) {
    throw new Problem('admin.host_refused')
  }
}
