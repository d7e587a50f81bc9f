import { Client } from 'pg'
import { Problem } from '#core/problems.ts'
import { advisoryLocks } from './advisory-locks.ts'
import { clientConfig } from './connections.ts'
import { postgresProblem } from './problems.ts'

const RETRY_MS = 1000

export interface NodeLock extends AsyncDisposable {
  /** Resolves if, after an interruption, another node was found to hold the lock: this one must stop. */
  readonly lost: Promise<Problem>
}

/**
 * Claims the database for this node until disposed or dead. The lock belongs to a connection; when the server ends it,
 * the lock is taken anew as soon as the server is back.
 * Rejects with `Problem('start.database_in_use')` or `store.unavailable`.
 */
export async function lockDatabase(url: string): Promise<NodeLock> {
  const { promise: lost, resolve } = Promise.withResolvers<Problem>()
  let closed = false
  let client: Client
  let retry: NodeJS.Timeout | undefined

  const claim = async () => {
    client = await takeLock(url)
    if (closed) return client.end()
    client.once('end', claimAgain)
  }
  const claimAgain = () => {
    if (closed) return
    claim().catch((error: unknown) => {
      if (error instanceof Problem && error.code === 'start.database_in_use') resolve(error)
      else retry = setTimeout(claimAgain, RETRY_MS)
    })
  }

  await claim()
  return {
    lost,
    async [Symbol.asyncDispose]() {
      closed = true
      clearTimeout(retry)
      await client.end()
    },
  }
}

async function takeLock(url: string): Promise<Client> {
  const client = new Client(clientConfig({ url }))
  client.on('error', () => {})
  const [namespace, lock] = advisoryLocks.node
  try {
    await client.connect()
    // So that the server frees the lock of a node that vanished from the network within half a minute.
    await client.query('set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3')
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, $2) as taken', [
      namespace,
      lock,
    ])
    if (rows[0]?.taken !== true) throw new Problem('start.database_in_use')
    return client
  } catch (error) {
    client.end().catch(() => {})
    throw postgresProblem(error)
  }
}
