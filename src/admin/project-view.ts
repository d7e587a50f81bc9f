import Type, { type Static } from 'typebox'
import type { ProjectRecord } from '#store/projects-port.ts'

const names = (description: string) =>
  Type.Union([Type.Array(Type.String()), Type.Null()], { description, examples: [null] })

/** A project as the admin API shows it. Times are ISO 8601 in UTC. */
export const projectView = Type.Object({
  id: Type.String({ description: 'Id of the project.', examples: ['proj_01kd5e7m3v9qwhc4t2x8r6b0zn'] }),
  name: Type.String({ description: 'Its name, which no other has.', examples: ['checkout'] }),
  description: Type.Union([Type.String(), Type.Null()], { description: 'What it is for.', examples: ['The shop'] }),
  cidrs: names('Addresses that its keys and tokens may be used from; null = all.'),
  denied_cidrs: names('Addresses that they may not be used from, whatever else allows them; null = none.'),
  metadata: Type.Record(Type.String(), Type.String(), { description: 'Names and values of your own.', examples: [{}] }),
  version: Type.Integer({ description: 'Number of its changes; its ETag.' }),
  created_at: Type.String({ description: 'When it was made.' }),
  updated_at: Type.String({ description: 'When it was last changed.' }),
})

export type ProjectView = Static<typeof projectView>

export const projectId = Type.String({
  pattern: '^proj_(?:default|[0-9a-z]{26})$',
  maxLength: 31,
  description: 'Id of the project.',
  examples: ['proj_01kd5e7m3v9qwhc4t2x8r6b0zn'],
})
// No underscore: no name is taken for an id.
export const projectName = Type.String({
  pattern: '^[a-z0-9][a-z0-9.-]{0,62}$',
  maxLength: 63,
  description: 'Small letters, digits, `-` and `.`.',
  examples: ['checkout'],
})

export function viewProject(project: ProjectRecord): ProjectView {
  return {
    id: project.id,
    name: project.name,
    description: project.description,
    cidrs: project.cidrs && [...project.cidrs],
    denied_cidrs: project.deniedCidrs && [...project.deniedCidrs],
    metadata: project.metadata,
    version: project.version,
    created_at: new Date(project.createdAt).toISOString(),
    updated_at: new Date(project.updatedAt).toISOString(),
  }
}
