import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf } from '#admin/etag.ts'
import { addresses, description, metadata, toAddresses } from '#admin/key-schema.ts'
import { projectName, projectView, viewProject } from '#admin/project-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Projects } from '#keys/projects.ts'

const schema = {
  summary: 'Make a project',
  body: Type.Object(
    {
      name: projectName,
      description: Type.Optional(
        Type.Union([description, Type.Null()], { description: 'What it is for; null = nothing said.' }),
      ),
      ...addresses,
      metadata: Type.Optional(metadata),
    },
    { additionalProperties: false },
  ),
  response: { 201: Type.Object({ project: projectView }) },
}

/** `POST /api/projects` */
export function projectsCreate(routing: Routing, { projects }: { projects: Projects }): void {
  routing.post(
    '/api/projects',
    { schema, config: { scope: 'projects:write', problems: ['store.conflict'] } },
    async (request, reply) => {
      const project = await projects.create(toAddresses(request.body), callerOf(request).actor)
      return reply
        .code(201)
        .header('etag', etagOf(project.version))
        .send({ project: viewProject(project) })
    },
  )
}
