import { timingSafeEqual } from 'node:crypto'
import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { type AdminScope, maySeeProject, type Operator } from '#core/operator.ts'
import { Problem } from '#core/problems.ts'
import { Secret } from '#core/secret.ts'
import type { OperatorTokenRecord, OperatorTokenStore } from '#store/ports.ts'
import type { ProjectStore } from '#store/projects-port.ts'
import { noSuchProject } from './projects.ts'
import { checkTokenText, digestToken, makeTokenText } from './token-format.ts'

export interface NewOperatorToken {
  readonly name: string
  readonly scopes: readonly AdminScope[]
  /** null = all. */
  readonly projects: readonly string[] | null
  /** Lifetime in ms; undefined = the default, or what is left of its creator's; null = none. */
  readonly lifetimeMs: number | null | undefined
}

/** Who asks, as the admin listener knows them. */
interface By {
  readonly operator: Operator
  readonly actor: Actor
}

export type TokenRefusal = 'shape' | 'checksum' | 'unknown' | 'expired' | 'revoked'

/** The life of operator tokens: verify, create, list, revoke. */
export interface OperatorTokens {
  /** `credential` is the id of a token that was recognised and is no longer good. */
  verify(text: string): Promise<Operator | { readonly refused: TokenRefusal; readonly credential: string | null }>
  /**
   * The secret is the token's whole text, and exists only in this answer. Throws `token.exceeds_own_rights`,
   * `token.lifetime_exceeded`, `project.not_found`, `admin.unauthorized` where its creator has ended meanwhile.
   */
  create(token: NewOperatorToken, by: By): Promise<{ readonly record: OperatorTokenRecord; readonly secret: Secret }>
  /** Newest first: those that the operator may see. */
  list(
    page: { readonly limit: number; readonly after?: string | undefined },
    operator: Operator,
  ): Promise<readonly OperatorTokenRecord[]>
  /** Throws `token.not_found`, also for a token of projects that the operator may not see. */
  show(id: string, operator: Operator): Promise<OperatorTokenRecord>
  /** Ends a token now and for good; a second time changes nothing. Throws `token.not_found`. */
  revoke(id: string, by: By): Promise<OperatorTokenRecord>
}

interface OperatorTokensOptions {
  readonly store: OperatorTokenStore
  readonly projects: Pick<ProjectStore, 'find'>
  readonly clock: Clock
  readonly maxLifetimeDays: number | null
  /** Told after the first operator token that may make others: the bootstrap token is no longer good. */
  readonly onBootstrapEnded: () => void
}

const DAY_MS = 86_400_000
const DEFAULT_LIFETIME_MS = 90 * DAY_MS
/** How long a request waits for its use to be written. */
const TOUCH_PATIENCE_MS = 500
/** How exact `lastUsedAt` is: a write for each request would be too much. */
const TOUCH_INTERVAL_MS = 3_600_000
const NOBODY = '0'.repeat(64)

export function createOperatorTokens(options: OperatorTokensOptions): OperatorTokens {
  const { store, clock } = options
  const show = async (id: string, operator: Operator) => {
    const token = await store.find(id)
    if (token === undefined || !maySeeToken(operator, token)) {
      throw new Problem('token.not_found', { detail: `There is no operator token ${id}.` })
    }
    return token
  }
  return {
    verify: text => verify(text, options),

    async create({ name, scopes, projects, lifetimeMs }, { operator, actor }) {
      const now = clock()
      const text = makeTokenText()
      const draft = { id: newId('tok', now), name, digest: digestToken(text), scopes, projects }
      const rest = { createdBy: operator.id, createdAt: now, revokedAt: null, lastUsedAt: null }
      await requireProjects(projects ?? [], operator, options.projects)
      const creator = await store.find(operator.id)
      const expiresAt = expiryOf(lifetimeMs, now, creator?.expiresAt ?? null, options.maxLifetimeDays)
      const record: OperatorTokenRecord = { ...draft, ...rest, expiresAt }
      const endsBootstrap = scopes.includes('tokens:write')
        ? tokenEvent('token.revoked', 'bootstrap', actor, now, { name: 'bootstrap', by: record.id })
        : null
      const ended = await store.insert(record, tokenEvent('token.created', record.id, actor, now, describe(record)), {
        allow: creator => requireWithin(record, creator, now),
        endsBootstrap,
      })
      if (ended) options.onBootstrapEnded()
      return { record, secret: new Secret(text) }
    },

    list: (page, operator) => listVisible(store, page, operator),
    show,

    async revoke(id, { operator, actor }) {
      const now = clock()
      const token = await show(id, operator)
      const event = tokenEvent('token.revoked', id, actor, now, { name: token.name })
      return (await store.revoke(id, now, event)) ?? token
    },
  }
}

/** Those beyond the operator's own are refused as such, whether they exist or not. */
async function requireProjects(
  ids: readonly string[],
  operator: Operator,
  projects: OperatorTokensOptions['projects'],
): Promise<void> {
  for (const id of ids) {
    if (maySeeProject(operator, id) && (await projects.find(id)) === undefined) throw noSuchProject(id)
  }
}

async function verify(text: string, { store, clock }: OperatorTokensOptions): ReturnType<OperatorTokens['verify']> {
  const wrong = checkTokenText(text)
  if (wrong !== null) return { refused: wrong, credential: null }
  const now = clock()
  const digest = digestToken(text)
  const token = await store.findByDigest(digest)
  // The look-up found it by an index, whose time may tell of prefixes of digests: the whole is compared again here.
  const same = timingSafeEqual(Buffer.from(token?.digest ?? NOBODY, 'hex'), Buffer.from(digest, 'hex'))
  if (token === undefined || !same) return { refused: 'unknown', credential: null }
  if (token.revokedAt !== null) return { refused: 'revoked', credential: token.id }
  if (token.expiresAt !== null && token.expiresAt <= now) return { refused: 'expired', credential: token.id }
  // It only informs: a store that cannot write now must not lock its operator out, nor keep him waiting.
  if (now - (token.lastUsedAt ?? 0) >= TOUCH_INTERVAL_MS) {
    const patience = new Promise(resolve => setTimeout(resolve, TOUCH_PATIENCE_MS).unref())
    await Promise.race([store.touch(token.id, now).catch(() => {}), patience])
  }
  return {
    id: token.id,
    scopes: new Set(token.scopes),
    projects: token.projects === null ? null : new Set(token.projects),
  }
}

/** A token is its projects': nobody of another project may know that it is there. */
function maySeeToken(operator: Operator, { projects }: OperatorTokenRecord): boolean {
  if (operator.projects === null) return true
  return projects?.every(project => maySeeProject(operator, project)) ?? false
}

async function listVisible(
  store: OperatorTokenStore,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
  operator: Operator,
): Promise<readonly OperatorTokenRecord[]> {
  const visible: OperatorTokenRecord[] = []
  const size = Math.max(limit, 100)
  for (let last = after; visible.length < limit; ) {
    const page = await store.list({ limit: size, after: last })
    visible.push(...page.filter(token => maySeeToken(operator, token)))
    if (page.length < size) break
    last = page.at(-1)?.id
  }
  return visible.slice(0, limit)
}

function expiryOf(
  lifetimeMs: number | null | undefined,
  now: number,
  creatorEnd: number | null,
  maxLifetimeDays: number | null,
): number | null {
  const maxMs = maxLifetimeDays === null ? Number.POSITIVE_INFINITY : maxLifetimeDays * DAY_MS
  if (lifetimeMs === undefined) {
    return Math.min(now + Math.min(DEFAULT_LIFETIME_MS, maxMs), creatorEnd ?? Number.POSITIVE_INFINITY)
  }
  if ((lifetimeMs ?? Number.POSITIVE_INFINITY) > maxMs) {
    throw new Problem('token.lifetime_exceeded', {
      detail: `An operator token lives at most ${maxLifetimeDays} days here.`,
    })
  }
  return lifetimeMs === null ? null : now + lifetimeMs
}

/** No token has more scopes, more projects or a later end than the one that makes it, as that is when it is written. */
function requireWithin(token: OperatorTokenRecord, creator: OperatorTokenRecord | undefined, now: number): void {
  const ended = creator?.revokedAt !== null || (creator.expiresAt !== null && creator.expiresAt <= now)
  if (creator === undefined || ended) throw new Problem('admin.unauthorized')
  const beyond = (what: string) => new Problem('token.exceeds_own_rights', { detail: what })
  const scopes = token.scopes.filter(scope => !creator.scopes.includes(scope))
  if (scopes.length > 0)
    throw beyond(`The token in use lacks the ${scopes.length === 1 ? 'scope' : 'scopes'} ${scopes.join(', ')}.`)
  const own = creator.projects
  if (own !== null && (token.projects === null || token.projects.some(project => !own.includes(project)))) {
    throw beyond('The token in use is limited to fewer projects.')
  }
  if (creator.expiresAt !== null && (token.expiresAt === null || token.expiresAt > creator.expiresAt)) {
    throw beyond(`The token in use ends at ${new Date(creator.expiresAt).toISOString()}.`)
  }
}

function describe({ name, scopes, projects, expiresAt }: OperatorTokenRecord): Record<string, unknown> {
  return { name, scopes, projects, expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString() }
}

/** Of the operator's side as a whole: a token belongs to no project, even if it reaches only one. */
export function tokenEvent(
  type: 'token.created' | 'token.revoked',
  subject: string,
  by: Actor,
  at: number,
  detail: Record<string, unknown>,
): ChangeEvent {
  const { id: actor, source, requestId } = by
  return { type, id: newId('evt', at), at, actor, source, requestId, project: null, subject, detail }
}
