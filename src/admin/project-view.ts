import Type, { type Static } from 'typebox'
import type { ProjectRecord } from '#store/ports.ts'

/** A project as the admin API shows it. Times are ISO 8601 in UTC. */
export const projectView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  metadata: Type.Record(Type.String(), Type.String()),
  version: Type.Integer(),
  created_at: Type.String(),
  updated_at: Type.String(),
})

export type ProjectView = Static<typeof projectView>

export const projectId = Type.String({ pattern: '^proj_(?:default|[0-9a-z]{26})$' })
// No underscore: no name is taken for an id.
export const projectName = Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$' })

export function viewProject(project: ProjectRecord): ProjectView {
  return {
    id: project.id,
    name: project.name,
    description: project.description,
    metadata: project.metadata,
    version: project.version,
    created_at: new Date(project.createdAt).toISOString(),
    updated_at: new Date(project.updatedAt).toISOString(),
  }
}
