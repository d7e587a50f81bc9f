import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { environment, projectRef } from '#admin/key-schema.ts'
import { nextCursor } from '#admin/page.ts'
import type { Routing } from '#admin/routing.ts'
import { readTime, timeQuery } from '#admin/time-query.ts'
import { GROUPING_PATTERN, readCursor, readGrouping, writeCursor } from '#admin/usage-grouping.ts'
import { type UsageView, usageColumns, usageView, viewUsage } from '#admin/usage-view.ts'
import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import type { Projects } from '#keys/projects.ts'
import type { UsageQuery, UsageStore } from '#store/usage-port.ts'
import { csvLine } from '#usage/csv.ts'

const named = (description: string, example: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\x00]*$', description, examples: [example] }))

const schema = {
  summary: 'List what calls used and cost, as sums',
  description:
    'Sums of whole hours, by what `by` names and in that order. `Accept: text/csv` answers a page as CSV, without `from`; where it continues stands in `Link`.',
  querystring: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer at most; absent = 100.' }),
      ),
      after: Type.Optional(
        Type.String({
          pattern: '^[A-Za-z0-9_-]{1,3000}$',
          maxLength: 3000,
          description: '`next` of the page before.',
          examples: ['WyJwcm9qX2RlZmF1bHQiLCJncHQtNSJd'],
        }),
      ),
      by: Type.Optional(
        Type.String({
          pattern: GROUPING_PATTERN,
          maxLength: 64,
          description:
            'What is told apart, with commas: project, key, model, provider, environment, and one of hour, day and month (UTC); absent = project,model.',
          examples: ['project,model'],
        }),
      ),
      from: timeQuery('From the hour of this time on (RFC 3339); absent = since the month began (UTC).'),
      to: timeQuery('Only hours that began before this time (RFC 3339).'),
      project: Type.Optional(projectRef),
      key: named('Id of the key.', 'key_01kd5e7m3v9qwhc4t2x8r6b0zn'),
      model: named('Name of the model, as callers use it.', 'gpt-5'),
      provider: named('Name of the provider.', 'openai'),
      environment: Type.Optional(environment),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object(
      {
        from: Type.String({ description: 'Since when.', examples: ['2026-01-01T00:00:00.000Z'] }),
        usage: Type.Array(usageView, { description: 'One page.' }),
        next: nextCursor,
      },
      { 'x-csv-example': 'project,requests,cost_usd\r\nproj_default,120,1.2345\r\n' },
    ),
  },
}

interface Deps {
  readonly usage: Pick<UsageStore, 'list'>
  readonly projects: Pick<Projects, 'find'>
  readonly clock: Clock
}

/** `GET /api/usage` */
export function usageList(routing: Routing, { usage, projects, clock }: Deps): void {
  routing.get(
    '/api/usage',
    { schema, config: { scope: 'usage:read', problems: ['project.not_found'] } },
    async (request, reply) => {
      const { limit = 100, after, by = 'project,model', from, to, project, ...filter } = request.query
      const { operator, actor } = callerOf(request)
      const grouping = readGrouping(by)
      const since = readTime(from) ?? monthOf(clock())
      const found = await usage.list({
        ...grouping,
        ...filter,
        from: since,
        to: readTime(to),
        project: project && (await idOf(project, projects, actor)),
        projects: operator.projects,
        limit: limit + 1,
        after: after === undefined ? undefined : readCursor(after, grouping.by),
      })
      const page = found.slice(0, limit)
      const last = page.at(-1)
      const next = found.length > limit && last !== undefined ? writeCursor(last.group) : null
      const rows = page.map(sum => viewUsage(grouping.by, sum))
      if (!prefersCsv(request.headers.accept)) {
        return { from: new Date(since).toISOString(), usage: rows, next }
      }
      if (next !== null) reply.header('link', `<${nextPath(request.url, next)}>; rel="next"`)
      return reply.type('text/csv; charset=utf-8').send(csvOf(grouping.by, rows) as never)
    },
  )
}

/** By an id also what is left of a project that was deleted. */
async function idOf(project: string, projects: Deps['projects'], by: Actor): Promise<string> {
  return project.startsWith('proj_') ? project : (await projects.find(project, by)).id
}

function monthOf(now: number): number {
  const date = new Date(now)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
}

/** RFC 9110 §12.5.1, as far as there are two to choose from; whoever takes either gets JSON. */
function prefersCsv(accept = ''): boolean {
  const quality = (type: RegExp) => {
    const range = accept.split(',').find(part => type.test(part.trim()))
    return range === undefined ? 0 : Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1)
  }
  return quality(/^text\/(csv|\*)/i) > Math.max(quality(/^application\/(json|\*)/i), quality(/^\*\/\*/))
}

function csvOf(by: UsageQuery['by'], rows: readonly UsageView[]): string {
  const columns = usageColumns(by)
  return csvLine(columns) + rows.map(row => csvLine(columns.map(name => row[name] ?? ''))).join('')
}

function nextPath(url: string, next: string): string {
  const [path, query] = url.split('?')
  const search = new URLSearchParams(query)
  search.set('after', next)
  return `${path}?${search}`
}
