import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { requireMatch } from '#admin/etag.ts'
import { projectId } from '#admin/project-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Projects } from '#keys/projects.ts'

const schema = {
  summary: 'Delete a project whose keys are all revoked, and them with it',
  params: Type.Object({ id: projectId }),
  response: {
    200: Type.Object({
      deleted: Type.String({ description: 'Its id.', examples: ['proj_01kd5e7m3v9qwhc4t2x8r6b0zn'] }),
    }),
  },
}

/** `DELETE /api/projects/:id` */
export function projectsDelete(routing: Routing, { projects }: { projects: Projects }): void {
  routing.delete(
    '/api/projects/:id',
    {
      schema,
      config: {
        scope: 'projects:write',
        problems: ['project.not_found', 'project.not_deletable', 'admin.precondition_failed'],
      },
    },
    async request => {
      const { id } = request.params
      await projects.delete(id, callerOf(request).actor, before => requireMatch(request, before.version))
      return { deleted: id }
    },
  )
}
