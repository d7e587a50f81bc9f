import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf, requireMatch } from '#admin/etag.ts'
import { addresses, description, metadata, toAddresses } from '#admin/key-schema.ts'
import { projectId, projectName, projectView, viewProject } from '#admin/project-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Projects } from '#keys/projects.ts'

const schema = {
  summary: 'Change a project; what is absent stays',
  params: Type.Object({ id: projectId }),
  body: Type.Object(
    {
      name: Type.Optional(projectName),
      description: Type.Optional(
        Type.Union([description, Type.Null()], { description: 'What it is for; null = nothing said.' }),
      ),
      ...addresses,
      metadata: Type.Optional(metadata),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  response: { 200: Type.Object({ project: projectView }) },
}

/** `PATCH /api/projects/:id` */
export function projectsUpdate(routing: Routing, { projects }: { projects: Projects }): void {
  routing.patch(
    '/api/projects/:id',
    {
      schema,
      config: {
        scope: 'projects:write',
        problems: ['project.not_found', 'store.conflict', 'admin.precondition_failed'],
      },
    },
    async (request, reply) => {
      const update = toAddresses(request.body)
      const project = await projects.update(request.params.id, update, callerOf(request).actor, before =>
        requireMatch(request, before.version),
      )
      return reply.header('etag', etagOf(project.version)).send({ project: viewProject(project) })
    },
  )
}
