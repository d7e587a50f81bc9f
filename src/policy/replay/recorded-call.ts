import type { Action } from '#core/action.ts'
import type { CallEvent } from '#core/events.ts'
import type { TokenFacts, VerifiedIdentity } from '#core/principal.ts'
import type { Vocabulary } from '#policy/cedar/vocabulary.ts'
import type { CallContext, Resource } from '#policy/decision.ts'

/** What a call is decided by and may not be on record, or be no more. */
export type MissingInput = 'action' | 'model' | 'features' | 'tags' | 'path'

/** Who asked for what, as it is on record. */
export interface RecordedQuestion {
  readonly principal: VerifiedIdentity
  readonly action: Action
  readonly resource: Resource
  /** Throws `NotRecorded` for what a policy looks at and the record lacks. */
  readonly context: CallContext
}

/** A call that policies had decided, as it was. */
export interface RecordedCall extends RecordedQuestion {
  readonly was: { readonly allowed: boolean; readonly policies: readonly string[] }
}

/** Something that a policy looks at is not known of a recorded call. */
export class NotRecorded extends Error {
  readonly input: MissingInput

  constructor(input: MissingInput) {
    super(`${input} is not on record`)
    this.input = input
  }
}

/** What recorded calls are read with. */
export interface ReplayedConfiguration {
  readonly vocabulary: Vocabulary
  /** Whether any policy reads the tags of keys. */
  readonly readsTags: boolean
  /** Throws where the configuration has no such model. */
  findModel(action: Action, model: string): Resource
  /** The service whose action it is. */
  serviceOf(action: Action): Resource
}

/** Callers are kept, for many calls are of the same: what was decided of them need not be decided anew. */
const MAX_CALLERS = 10_000
/** At this length an event cuts paths. */
const PATH_END = 256
/** What events leave out, because it is what most calls are permitted by. */
const USUAL = ['ostiary.models']

/** Reads calls as policies saw them; null = they were not asked. Throws `NotRecorded`. */
export function createCallReader(configuration: ReplayedConfiguration) {
  const read = createQuestionReader(configuration)
  return (event: CallEvent): RecordedCall | null => {
    const was = decisionOf(event)
    const question = was === null ? null : read(event)
    return was === null || question === null ? null : { ...question, was }
  }
}

/** Reads what calls asked for; null = nobody was known, or nothing is there. Throws `NotRecorded`. */
export function createQuestionReader({ vocabulary, readsTags, findModel, serviceOf }: ReplayedConfiguration) {
  const actions = new Map(vocabulary.actions.map(action => [action.id, action]))
  const callers = new Map<string, VerifiedIdentity>()
  const callerOf = (event: CallEvent & { readonly principal: object }): VerifiedIdentity => {
    const { features: _, ...facts } = event.authorization ?? {}
    if (readsTags && event.principal.kind === 'api_key' && facts.tags === undefined) throw new NotRecorded('tags')
    const key = JSON.stringify([event.principal, facts])
    const known = callers.get(key)
    if (known !== undefined) return known
    if (callers.size >= MAX_CALLERS) callers.clear()
    const caller = identityOf(event.principal, facts)
    callers.set(key, caller)
    return caller
  }

  return (event: CallEvent): RecordedQuestion | null => {
    const id = event.service === undefined ? event.route : `${event.service.name}.${event.service.operation}`
    if (id === null || !hasPrincipal(event)) return null
    const action = actions.get(id)
    if (action === undefined) throw new NotRecorded('action')
    const resource = event.service === undefined ? modelOf(event, action, findModel) : serviceOf(action)
    return { principal: callerOf(event), action, resource, context: contextOf(event) }
  }
}

function hasPrincipal(event: CallEvent): event is CallEvent & { readonly principal: object } {
  return event.principal !== null
}

/** null = the call ended before policies were asked, or after them but without a word of it: that is told by what came then. */
export function decisionOf({ policies, problem, target }: CallEvent): RecordedCall['was'] | null {
  if (problem === 'policy.denied') return { allowed: false, policies: policies ?? [] }
  if (policies === undefined && target === null) return null
  return { allowed: true, policies: policies ?? USUAL }
}

function modelOf({ model, target }: CallEvent, action: Action, find: ReplayedConfiguration['findModel']): Resource {
  if (model === null) throw new NotRecorded('model')
  if (target !== null) return { kind: 'model', id: model, provider: target.provider, test: target.test }
  try {
    const { kind, id, provider, test } = find(action, model)
    return { kind, id, provider, test }
  } catch {
    throw new NotRecorded('model')
  }
}

function contextOf({ source, at, method, service, authorization }: CallEvent): CallContext {
  const features = () => {
    if (authorization?.features === undefined) throw new NotRecorded('features')
    return authorization.features
  }
  if (service === undefined) return { address: source, at, features }
  return {
    address: source,
    at,
    method,
    get path() {
      if (service.path.length >= PATH_END) throw new NotRecorded('path')
      return service.path
    },
    features: () => [],
  }
}

function identityOf(
  principal: NonNullable<CallEvent['principal']>,
  { scopes, tags = {}, acr, authenticatedAt }: NonNullable<CallEvent['authorization']>,
): VerifiedIdentity {
  const { id, project, environment, roles = [], binding } = principal
  const kind = principal.kind === 'user' || principal.kind === 'service' ? principal.kind : 'api_key'
  return {
    kind,
    id,
    project,
    environment,
    expiresAt: null,
    ceilings: {
      scopes: scopes === undefined ? null : new Set(scopes),
      operations: null,
      allowsModel: null,
      allowsAddress: null,
    },
    limits: null,
    budgets: null,
    roles,
    tags,
    binding: binding === undefined ? null : { kind: binding, thumbprint: '' },
    token: kind === 'api_key' ? null : tokenOf(principal, acr, authenticatedAt),
  }
}

/** `company:alice` of a person, `company/reporter` of a program: names of issuers have neither sign. */
function tokenOf(
  { id, kind, client, tokenId, session }: NonNullable<CallEvent['principal']>,
  acr: string | undefined,
  authenticatedAt: number | undefined,
): TokenFacts {
  const end = id.indexOf(kind === 'service' ? '/' : ':')
  return {
    issuer: id.slice(0, end),
    subject: id.slice(end + 1),
    client: client ?? null,
    session: session ?? null,
    tokenId: tokenId ?? null,
    issuedAt: null,
    acr: acr ?? null,
    authenticatedAt: authenticatedAt ?? null,
  }
}
