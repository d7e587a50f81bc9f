import type { ChangeEvent } from '#core/events.ts'
import type { Metadata } from './ports.ts'

/** A project: the unit of isolation and accounting. */
export interface ProjectRecord {
  /** `proj_…` */
  readonly id: string
  readonly name: string
  readonly description: string | null
  /** From where credentials of the project may be used; null = from anywhere. */
  readonly cidrs: readonly string[] | null
  /** From where they may not, whatever else allows it; null = nothing is denied. */
  readonly deniedCidrs: readonly string[] | null
  readonly metadata: Metadata
  /** Counts the changes. */
  readonly version: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** Projects in the database. */
export interface ProjectStore {
  /** Rejects with `Problem('store.conflict')` if id or name exists. */
  insert(project: ProjectRecord, event: ChangeEvent): Promise<void>
  find(id: string): Promise<ProjectRecord | undefined>
  findByName(name: string): Promise<ProjectRecord | undefined>
  /** By name; `after` is the name of the last one seen. */
  list(page: {
    readonly limit: number
    readonly after?: string | undefined
    readonly projects: ReadonlySet<string> | null
  }): Promise<readonly ProjectRecord[]>
  /** As `KeyStore.change`, for one project; the caches are told where its addresses change. */
  change(
    id: string,
    decide: (project: ProjectRecord) => {
      readonly set: Partial<Omit<ProjectRecord, 'id' | 'version' | 'createdAt'>>
      readonly event: ChangeEvent
    } | null,
  ): Promise<ProjectRecord | undefined>
  /**
   * Removes a project and its revoked keys. `decide` sees it and how many keys of it are not revoked, and throws what
   * stands against it. Resolves to whether there was one.
   */
  remove(id: string, decide: (project: ProjectRecord, unrevoked: number) => ChangeEvent): Promise<boolean>
}
