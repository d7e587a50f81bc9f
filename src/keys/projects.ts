import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { ChangeEvent } from '#core/events.ts'
import { newId } from '#core/ids.ts'
import { maySeeProject } from '#core/operator.ts'
import { Problem } from '#core/problems.ts'
import type { Metadata } from '#store/ports.ts'
import type { ProjectRecord, ProjectStore } from '#store/projects-port.ts'
import { checkAddresses } from './check-addresses.ts'
import { checkMetadata } from './metadata.ts'

/** The project that is always there (migration 0002). */
export const DEFAULT_PROJECT = 'proj_default'

export interface ProjectSettings {
  readonly name: string
  readonly description: string | null
  /** From where its credentials may be used, and from where not; null = nothing is said. */
  readonly cidrs: readonly string[] | null
  readonly deniedCidrs: readonly string[] | null
  readonly metadata: Metadata
}

/** What is not said of it is nothing. */
export type NewProject = Pick<ProjectSettings, 'name'> & Partial<ProjectSettings>

const NO_SETTINGS = { description: null, cidrs: null, deniedCidrs: null, metadata: {} } as const

/** The life of projects. One that does not exist for the actor does not exist: `project.not_found`. */
export interface Projects {
  /** Throws `store.conflict` for a name that exists, `admin.forbidden` where the actor is limited to projects. */
  create(project: NewProject, by: Actor): Promise<ProjectRecord>
  /** By id or name. */
  find(named: string, by: Actor): Promise<ProjectRecord>
  list(
    page: { readonly limit: number; readonly after?: string | undefined },
    by: Actor,
  ): Promise<readonly ProjectRecord[]>
  /** `check` sees the project as it is, held against others, and throws what stands against the update. */
  update(
    id: string,
    update: Partial<ProjectSettings>,
    by: Actor,
    check: (project: ProjectRecord) => void,
  ): Promise<ProjectRecord>
  /** Removes it with its revoked keys. Throws `project.not_deletable` for the default one and one with other keys. */
  delete(id: string, by: Actor, check: (project: ProjectRecord) => void): Promise<void>
}

export function createProjects({ store, clock }: { store: ProjectStore; clock: Clock }): Projects {
  return {
    async create(said, by) {
      const settings = { ...NO_SETTINGS, ...said }
      if (by.projects !== null) {
        throw new Problem('admin.forbidden', { detail: 'A token limited to projects makes no new ones.' })
      }
      checkAddresses(settings)
      checkMetadata(settings.metadata)
      const now = clock()
      const project = { ...settings, id: newId('proj', now), version: 1, createdAt: now, updatedAt: now }
      await store.insert(project, projectEvent('project.created', project, by, now, said))
      return project
    },

    async find(named, by) {
      const found = named.startsWith('proj_') ? await store.find(named) : await store.findByName(named)
      if (found === undefined || !maySeeProject(by, found.id)) throw noSuchProject(named)
      return found
    },

    list: (page, by) => store.list({ ...page, projects: by.projects }),

    async update(id, update, by, check) {
      if (!maySeeProject(by, id)) throw noSuchProject(id)
      checkMetadata(update.metadata ?? {})
      const now = clock()
      const project = await store.change(id, before => {
        check(before)
        checkAddresses({ ...before, ...update })
        if (id === DEFAULT_PROJECT && update.name !== undefined && update.name !== before.name) {
          throw new Problem('admin.invalid_input', { detail: 'The default project keeps its name.' })
        }
        const event = projectEvent('project.updated', before, by, now, update)
        return { set: { ...update, updatedAt: now }, event }
      })
      if (project === undefined) throw noSuchProject(id)
      return project
    },

    async delete(id, by, check) {
      if (!maySeeProject(by, id)) throw noSuchProject(id)
      const now = clock()
      const removed = await store.remove(id, (project, unrevoked) => {
        check(project)
        if (id === DEFAULT_PROJECT) {
          throw new Problem('project.not_deletable', { detail: 'The default project always stays.' })
        }
        if (unrevoked > 0) {
          throw new Problem('project.not_deletable', { detail: `Keys of it that are not revoked: ${unrevoked}.` })
        }
        return projectEvent('project.deleted', project, by, now, { name: project.name })
      })
      if (!removed) throw noSuchProject(id)
    },
  }
}

/** The same for one that is not there and one that the actor may not see. */
export function noSuchProject(named: string): Problem {
  return new Problem('project.not_found', { detail: `There is no project ${named}.` })
}

function projectEvent(
  type: Extract<ChangeEvent['type'], `project.${string}`>,
  project: ProjectRecord,
  by: Actor,
  at: number,
  detail: Partial<ProjectSettings>,
): ChangeEvent {
  const { id: actor, source, requestId } = by
  return {
    type,
    id: newId('evt', at),
    at,
    actor,
    source,
    requestId,
    project: project.id,
    subject: project.id,
    detail: detailOf(detail),
  }
}

/** What was said of a project, in the words of the admin API. */
function detailOf({ cidrs, deniedCidrs, ...rest }: Partial<ProjectSettings>): Readonly<Record<string, unknown>> {
  return {
    ...rest,
    ...(cidrs !== undefined && { cidrs }),
    ...(deniedCidrs !== undefined && { denied_cidrs: deniedCidrs }),
  }
}
