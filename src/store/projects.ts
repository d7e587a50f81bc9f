import type { Kysely, Selectable, Transaction } from 'kysely'
import type { RecordChange } from './changes.ts'
import { recordEvent } from './events.ts'
import type { ProjectRecord, ProjectStore } from './projects-port.ts'
import type { ProjectsTable, Tables } from './tables.ts'

/** The queries on projects, the same for every database. */
export function projectStore(db: Kysely<Tables>, recordChange: RecordChange): ProjectStore {
  return {
    insert: (project, event) =>
      db.transaction().execute(async transaction => {
        await transaction.insertInto('projects').values(toRow(project)).execute()
        await recordEvent(transaction, event)
      }),

    async find(id) {
      const row = await db.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toRecord(row)
    },

    async findByName(name) {
      const row = await db.selectFrom('projects').selectAll().where('name', '=', name).executeTakeFirst()
      return row && toRecord(row)
    },

    async list({ limit, after, projects }) {
      let rows = db.selectFrom('projects').selectAll().orderBy('name').limit(limit)
      if (after !== undefined) rows = rows.where('name', '>', after)
      if (projects !== null) rows = rows.where('id', 'in', [...projects, ''])
      return (await rows.execute()).map(toRecord)
    },

    change: (id, decide) =>
      db.transaction().execute(async transaction => {
        const project = await hold(transaction, id)
        const change = project === undefined ? null : decide(project)
        if (change === null) return project
        const { name, description, cidrs, deniedCidrs, metadata, updatedAt } = change.set
        const row = await transaction
          .updateTable('projects')
          .set(expression => ({
            ...(name !== undefined && { name }),
            ...(description !== undefined && { description }),
            ...(cidrs !== undefined && { cidrs: toJson(cidrs) }),
            ...(deniedCidrs !== undefined && { denied_cidrs: toJson(deniedCidrs) }),
            ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }),
            ...(updatedAt !== undefined && { updated_at: updatedAt }),
            version: expression('version', '+', 1),
          }))
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirstOrThrow()
        await recordEvent(transaction, change.event)
        if (cidrs !== undefined || deniedCidrs !== undefined) {
          await recordChange(transaction, { topic: 'project.changed', subject: id }, change.event.at)
        }
        return toRecord(row)
      }),

    remove: (id, decide) =>
      db.transaction().execute(async transaction => {
        const project = await hold(transaction, id)
        if (project === undefined) return false
        const { unrevoked } = await transaction
          .selectFrom('keys')
          .select(({ fn }) => fn.countAll<number>().as('unrevoked'))
          .where('project_id', '=', id)
          .where('revoked_at', 'is', null)
          .executeTakeFirstOrThrow()
        const event = decide(project, unrevoked)
        const keys = transaction.selectFrom('keys').select('id').where('project_id', '=', id)
        await transaction.deleteFrom('key_secrets').where('key_id', 'in', keys).execute()
        await transaction.deleteFrom('key_metadata').where('key_id', 'in', keys).execute()
        await transaction.deleteFrom('keys').where('project_id', '=', id).execute()
        await transaction.deleteFrom('projects').where('id', '=', id).execute()
        await recordEvent(transaction, event)
        await recordChange(transaction, { topic: 'project.deleted', subject: id }, event.at)
        return true
      }),
  }
}

/** The project as it is; until the transaction ends nobody else changes it or mints into it. */
async function hold(transaction: Transaction<Tables>, id: string): Promise<ProjectRecord | undefined> {
  const row = await transaction
    .updateTable('projects')
    .set(expression => ({ version: expression.ref('version') }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  return row && toRecord(row)
}

function toRow(project: ProjectRecord): ProjectsTable {
  return {
    id: project.id,
    name: project.name,
    description: project.description,
    cidrs: toJson(project.cidrs),
    denied_cidrs: toJson(project.deniedCidrs),
    metadata: JSON.stringify(project.metadata),
    version: project.version,
    created_at: project.createdAt,
    updated_at: project.updatedAt,
  }
}

function toRecord(row: Selectable<ProjectsTable>): ProjectRecord {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    cidrs: row.cidrs === null ? null : JSON.parse(row.cidrs),
    deniedCidrs: row.denied_cidrs === null ? null : JSON.parse(row.denied_cidrs),
    metadata: JSON.parse(row.metadata),
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function toJson(list: readonly string[] | null): string | null {
  return list === null ? null : JSON.stringify(list)
}
