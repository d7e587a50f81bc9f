import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { projectName, projectView, viewProject } from '#admin/project-view.ts'
import type { Routing } from '#admin/routing.ts'
import type { Projects } from '#keys/projects.ts'

const schema = {
  summary: 'List projects by name',
  querystring: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer at most; absent = 100.' }),
      ),
      after: Type.Optional(
        Type.String({ ...projectName, description: 'Name of the last project of the page before.' }),
      ),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      projects: Type.Array(projectView, { description: 'One page.' }),
      next: Type.Union([Type.String(), Type.Null()], {
        description: '`after` of the next page; null = this is the last.',
        examples: [null],
      }),
    }),
  },
}

/** `GET /api/projects` */
export function projectsList(routing: Routing, { projects }: { projects: Projects }): void {
  routing.get('/api/projects', { schema, config: { scope: 'projects:read' } }, async request => {
    const { limit = 100, after } = request.query
    const found = await projects.list({ limit: limit + 1, after }, callerOf(request).actor)
    const page = found.slice(0, limit)
    return { projects: page.map(viewProject), next: found.length > limit ? (page.at(-1)?.name ?? null) : null }
  })
}
