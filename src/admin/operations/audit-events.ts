import Type from 'typebox'
import { callerOf } from '#admin/caller.ts'
import { viewEvent } from '#admin/event-view.ts'
import type { Routing } from '#admin/routing.ts'
import { createSealedCursor } from '#admin/sealed-cursor.ts'
import { readTime, timeQuery } from '#admin/time-query.ts'
import { isMeant } from '#audit/filter.ts'
import { projectOf } from '#core/event-project.ts'
import type { OstiaryEvent } from '#core/events.ts'
import { maySeeProject, type Operator } from '#core/operator.ts'
import type { EventStore } from '#store/ports.ts'

const text = (maxLength: number, description: string, example: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description, examples: [example] }))

const schema = {
  summary: 'List events, newest first',
  querystring: Type.Object(
    {
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 1000, description: 'How many to answer at most; absent = 100.' }),
      ),
      after: Type.Optional(
        Type.String({
          pattern: '^[A-Za-z0-9_-]{1,200}$',
          maxLength: 200,
          description: '`next` of the page before.',
          examples: ['kq3XyN8Z0b…'],
        }),
      ),
      from: timeQuery('Not before this time (RFC 3339).'),
      to: timeQuery('Before this time (RFC 3339).'),
      type: text(64, 'Type of the event.', 'call'),
      key: text(64, 'Id of the key.', 'key_01kd5e7m3v9qwhc4t2x8r6b0zn'),
      project: text(64, 'Id of the project.', 'proj_default'),
      id: text(64, 'Id of the event: of a call its `x-request-id`.', 'req_01kd5e7m3v9qwhc4t2x8r6b0zn'),
      outcome: text(32, 'Outcome of the call.', 'refused'),
    },
    { additionalProperties: false },
  ),
  response: {
    200: Type.Object({
      events: Type.Array(Type.Unknown({ examples: [{ type: 'key.created', id: 'evt_01kd5e7m3v9qwhc4t2x8r6b0zn' }] }), {
        description: 'Fewer than asked for, even none, before the last page.',
      }),
      next: Type.Union([Type.String(), Type.Null()], {
        description: '`after` of the next page; null = this is the last.',
        examples: [null],
      }),
    }),
  },
}

interface Deps {
  readonly events: Pick<EventStore, 'page'>
  readonly deploymentSecret: Buffer
}

/** `GET /api/audit/events` */
export function auditEvents(routing: Routing, { events, deploymentSecret }: Deps): void {
  // In the clear it would say how many events there are, also to an operator who may see few of them.
  const cursors = createSealedCursor(deploymentSecret, 'audit events')
  routing.get('/api/audit/events', { schema, config: { scope: 'audit:read' } }, async request => {
    const { limit = 100, after, from, to, type, ...filter } = request.query
    const { operator } = callerOf(request)
    const page = await events.page({
      limit,
      after: after === undefined ? undefined : cursors.open(after, operator.id),
      from: readTime(from),
      to: readTime(to),
      type,
      matches: event => maySee(operator, event) && isMeant(event, filter),
    })
    return {
      events: page.events.map(viewEvent),
      next: page.next === null ? null : cursors.seal(page.next, operator.id),
    }
  })
}

/** What belongs to no project is for operators of the whole gateway. */
function maySee(operator: Operator, event: OstiaryEvent): boolean {
  const project = projectOf(event)
  return project === null ? operator.projects === null : maySeeProject(operator, project)
}
