/**
 * The advisory locks of Ostiary in a database, as the two integers that PostgreSQL's lock functions take. The first is
 * the same for all, so that they meet no other program's.
 */
export const advisoryLocks = {
  /** Held while the schema changes. */
  migration: [1869838433, 1],
  /** Held by a transaction that writes a change, so that the order of sequence is the order of commit. */
  changes: [1869838433, 2],
  /** Held by the one node that uses the database. */
  node: [1869838433, 3],
} as const
