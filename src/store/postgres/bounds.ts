import { postgresProblem } from './problems.ts'

/** The same functions, each bounded as a whole, connection and every statement together. */
export function bounded<T extends { [Name in keyof T]: (...args: never[]) => Promise<unknown> }>(
  timeoutMs: number,
  port: T,
): T {
  const entries = Object.entries<(...args: never[]) => Promise<unknown>>(port)
  return Object.fromEntries(
    entries.map(([name, ask]) => [name, (...args: never[]) => within(timeoutMs, ask(...args))]),
  ) as T
}

/** Rejects with `store.unavailable` if the work takes longer; every error becomes a problem. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`PostgreSQL did not answer in ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, late])
  } catch (error) {
    throw postgresProblem(error)
  } finally {
    clearTimeout(timer)
  }
}
