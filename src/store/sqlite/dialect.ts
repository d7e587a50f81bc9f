import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SelectQueryNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Lease, SqliteClient } from './client.ts'

/** Kysely over messages to the database thread. */
export function sqliteDialect(client: SqliteClient): Dialect {
  return {
    createDriver: () => new ThreadDriver(client),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new TransactionalSqliteAdapter(),
    createIntrospector: db => new SqliteIntrospector(db),
  }
}

/** SQLite changes schemas in transactions; Kysely's adapter says no because its migrator has no need of it there. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }

  /** Connections are leases of one thread: as many as are asked for. */
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

class ThreadDriver implements Driver {
  readonly #client: SqliteClient

  constructor(client: SqliteClient) {
    this.#client = client
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new ThreadConnection(this.#client)
  }

  beginTransaction(connection: ThreadConnection): Promise<void> {
    return connection.begin()
  }

  commitTransaction(connection: ThreadConnection): Promise<void> {
    return connection.commit()
  }

  async rollbackTransaction(connection: ThreadConnection): Promise<void> {
    connection.rollback()
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

class ThreadConnection implements DatabaseConnection {
  readonly #client: SqliteClient
  #lease: Lease | null = null

  constructor(client: SqliteClient) {
    this.#client = client
  }

  async begin(): Promise<void> {
    this.#lease = await this.#client.begin()
  }

  async commit(): Promise<void> {
    await this.#lease?.commit()
    this.#lease = null
  }

  rollback(): void {
    this.#lease?.rollback()
    this.#lease = null
  }

  async executeQuery<R>({ sql, parameters, query }: CompiledQuery): Promise<QueryResult<R>> {
    const statement = { sql, parameters }
    const { rows, changes } = await this.#run(statement, SelectQueryNode.is(query))
    return { rows: rows as R[], numAffectedRows: BigInt(changes) }
  }

  #run(statement: { sql: string; parameters: readonly unknown[] }, reads: boolean) {
    if (this.#lease !== null) return this.#lease.run(statement)
    return reads ? this.#client.read(statement) : this.#client.write(statement)
  }

  // biome-ignore lint/correctness/useYield: the interface asks for a generator; nothing streams from the store.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('Streaming is not supported.')
  }
}
