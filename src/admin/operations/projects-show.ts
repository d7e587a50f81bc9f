import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { etagOf } from '#admin/etag.ts'
import { projectRef } from '#admin/key-schema.ts'
import { projectView, viewProject } from '#admin/project-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Projects } from '#keys/projects.ts'

const schema = {
  summary: 'Show a project, by id or name',
  params: Type.Object({ id: projectRef }),
  response: { 200: Type.Object({ project: projectView }) },
}

/** `GET /api/projects/:id` */
export function projectsShow(routing: Routing, { projects }: { projects: Projects }): void {
  routing.get(
    '/api/projects/:id',
    { schema, config: { scope: 'projects:read', problems: ['project.not_found'] } },
    async (request, reply) => {
      const project = await projects.find(request.params.id, callerOf(request).actor)
      return reply.header('etag', etagOf(project.version)).send({ project: viewProject(project) })
    },
  )
}
