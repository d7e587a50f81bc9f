import { DatabaseError } from 'pg'
import { Problem } from '#core/problems.ts'

// Classes of SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html) that say: not now, or not this server.
const UNAVAILABLE = new Set([
  '08', // connection
  '25', // transaction state: a standby, or ended for idling
  '28', // authorization: the gateway's own log-in was refused
  '3D', // no such database
  '40', // rolled back: deadlock, serialization
  '53', // disk full, out of memory, too many connections
  '55', // lock not available, still starting
  '57', // cancelled or shut down
  '58', // I/O error
  'XX', // corrupted
])

/** The registered problem of a failure of PostgreSQL; what is neither outage nor conflict is a defect of the program. */
export function postgresProblem(error: unknown): unknown {
  if (error instanceof Problem || error instanceof TypeError) return error
  // Not the server's word, so the connection's: refused, reset, ended or too late.
  if (!(error instanceof DatabaseError)) return new Problem('store.unavailable', { cause: error })
  // Unique; foreign key: what it refers to was removed at the same moment.
  if (error.code === '23505' || error.code === '23503') return new Problem('store.conflict', { cause: error })
  if (UNAVAILABLE.has(error.code?.slice(0, 2) ?? '')) return new Problem('store.unavailable', { cause: error })
  return error
}
