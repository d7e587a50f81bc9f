import { createHash, timingSafeEqual } from 'node:crypto'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { type FastifyError, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Clock } from '#core/clock.ts'
import { newId } from '#core/ids.ts'
import { adminScopes, type Operator } from '#core/operator.ts'
import { Problem, toProblemJson } from '#core/problems.ts'
import type { BulkRevocation } from '#keys/bulk-revocation.ts'
import type { Keys } from '#keys/keys.ts'
import type { Projects } from '#keys/projects.ts'
import type { EventStore } from '#store/ports.ts'
import { admitCaller } from './caller.ts'
import { auditEvents } from './operations/audit-events.ts'
import { configReload } from './operations/config-reload.ts'
import { health } from './operations/health.ts'
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
import { projectsCreate } from './operations/projects-create.ts'
import { projectsDelete } from './operations/projects-delete.ts'
import { projectsList } from './operations/projects-list.ts'
import { projectsShow } from './operations/projects-show.ts'
import { projectsUpdate } from './operations/projects-update.ts'
import { secretsDelete } from './operations/secrets-delete.ts'
import { secretsList } from './operations/secrets-list.ts'
import { secretsRewrap } from './operations/secrets-rewrap.ts'
import { secretsRotate } from './operations/secrets-rotate.ts'
import { secretsSet } from './operations/secrets-set.ts'
import type { SecretOperations } from './secret-operations.ts'

export interface AdminOptions {
  readonly keys: Keys
  readonly projects: Projects
  readonly bulk: BulkRevocation
  readonly events: Pick<EventStore, 'page'>
  readonly secrets: SecretOperations
  /** Credential of the one operator there is until people can log in. */
  readonly bootstrapToken: string
  /** Configured origin, such as `http://localhost:8401`; undefined = follow the bound port. */
  readonly origin: string | undefined
  /** Resolves to what is not ready; empty = ready. */
  readonly notReady: () => Promise<string[]>
  /** Applies the configuration as it is now; resolves to what changed. Throws `config.invalid`. */
  readonly reload: (actor: string) => Promise<{ readonly generation: number; readonly changes: readonly string[] }>
  readonly clock: Clock
  readonly logFailure: (requestId: string, error: unknown) => void
}

const MAX_BODY_BYTES = 64 * 1024
const BOOTSTRAP_OPERATOR: Operator = { id: 'bootstrap', scopes: new Set(adminScopes), projects: null }

/** On keys and projects; each needs of the options what its own file says. */
const operations = [
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
  projectsCreate,
  projectsDelete,
  projectsList,
  projectsShow,
  projectsUpdate,
]

/** The admin listener: health for anyone, everything else for the operator. */
export function createAdminServer(options: AdminOptions) {
  const server = fastify({
    bodyLimit: MAX_BODY_BYTES,
    genReqId: () => newId('req', options.clock()),
    requestTimeout: 30_000,
    logger: false,
    // What the router cannot read gets past the error handler.
    frameworkErrors: (error, request, reply) => void send(reply, toProblem(error), request.id),
    // Unknown members are refused, not removed: a misspelt one would silently do nothing.
    routerOptions: { ignoreTrailingSlash: false, maxParamLength: 128 },
  })
    .setValidatorCompiler(TypeBoxValidatorCompiler)
    .withTypeProvider<TypeBoxTypeProvider>()

  server.removeContentTypeParser('text/plain')
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    reply.header('cache-control', 'no-store')
    requireOwnHost(request, options.origin)
  })
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = toProblem(error)
    if (problem.code === 'gateway.internal') options.logFailure(request.id, error)
    return send(reply, problem, request.id)
  })
  server.setNotFoundHandler((request, reply) => send(reply, new Problem('route.not_found'), request.id))

  server.register(async open => health(open.withTypeProvider<TypeBoxTypeProvider>(), options))
  server.register(async guarded => {
    guarded.addHook('onRoute', ({ url, config }) => {
      if (config?.scope === undefined) throw new TypeError(`${url} says no scope`)
    })
    guarded.addHook('onRequest', async request => {
      const operator = authenticateOperator(request, options.bootstrapToken)
      const { scope } = request.routeOptions.config
      if (scope === undefined || !operator.scopes.has(scope)) {
        throw new Problem('admin.forbidden', { detail: `The token lacks the scope ${scope}.` })
      }
      admitCaller(request, operator)
    })
    const typed = guarded.withTypeProvider<TypeBoxTypeProvider>()
    for (const register of operations) register(typed, options)
    configReload(typed, options)
    auditEvents(typed, options)
    secretsList(typed, options)
    secretsSet(typed, options)
    secretsRotate(typed, options)
    secretsDelete(typed, options)
    secretsRewrap(typed, options)
  })
  return server
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

const BEARER = /^bearer +([^ ]+)$/i

function authenticateOperator(request: FastifyRequest, token: string): Operator {
  const presented = BEARER.exec(request.headers.authorization ?? '')?.[1]
  // Digests, because the comparison in constant time wants equal lengths.
  if (presented === undefined || !timingSafeEqual(sha256(presented), sha256(token))) {
    throw new Problem('admin.unauthorized', { headers: { 'www-authenticate': 'Bearer realm="ostiary-admin"' } })
  }
  return BOOTSTRAP_OPERATOR
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function toProblem(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error
  if (error.validation !== undefined) {
    return new Problem('admin.invalid_input', { detail: error.message, cause: error })
  }
  switch (error.statusCode) {
    case 400:
      return new Problem('admin.invalid_input', { detail: error.message, cause: error })
    case 414:
      return new Problem('route.not_found', { cause: error })
    case 413:
      return new Problem('request.too_large', { cause: error })
    case 415:
      return new Problem('request.unsupported_media_type', { cause: error })
    default:
      return new Problem('gateway.internal', { cause: error })
  }
}

function send(reply: FastifyReply, problem: Problem, requestId: string): FastifyReply {
  return reply
    .code(problem.status)
    .headers(problem.headers ?? {})
    .type('application/problem+json')
    .send(JSON.stringify(toProblemJson(problem, requestId)))
}
