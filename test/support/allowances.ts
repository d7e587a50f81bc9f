import { DatabaseSync } from 'node:sqlite'
import type { AllowanceStore } from '#limits/allowances.ts'

interface Row {
  readonly used: number
  readonly high: number
  readonly epoch: string
  readonly closed: number
}

/** An allowance store in a file of its own, which outlives the process and which several threads open at once. */
export function openAllowances(file: string): AllowanceStore & Disposable & { readonly rows: () => number } {
  const db = new DatabaseSync(file, { timeout: 10_000 })
  db.exec(`
    pragma journal_mode = wal; pragma synchronous = off;
    create table if not exists allowances (
      id text, period integer, epoch text not null, used integer not null, high integer not null,
      closed integer not null, primary key (id, period))`)
  const find = db.prepare('select used, high, epoch, closed from allowances where id = ? and period = ?')
  const write = db.prepare('insert or replace into allowances values (?, ?, ?, ?, ?, ?)')
  const settle = db.prepare(
    `update allowances set used = ?, closed = ?, high = case when ? then ? else max(high, ?) end
     where id = ? and period = ? and epoch = ?`,
  )
  const forget = db.prepare('delete from allowances where period > 0 and period < ?')
  const inTransaction = <T>(work: () => T): T => {
    db.exec('begin immediate')
    try {
      const result = work()
      db.exec('commit')
      return result
    } catch (error) {
      db.exec('rollback')
      throw error
    }
  }
  return {
    take: async ({ id, period, epoch, slice, initial, ceiling }) =>
      inTransaction(() => {
        const row = find.get(id, period) as Row | undefined
        const died = row !== undefined && row.epoch !== epoch && row.closed === 0
        const used = row === undefined ? initial : died ? row.high : row.used
        const base = row === undefined || row.epoch !== epoch ? used : row.high
        const high = Math.max(base, Math.min(base + slice, ceiling))
        write.run(id, period, epoch, used, high, 0)
        return { used, high, charged: died ? used - row.used : 0 }
      }),
    settle: async rows =>
      inTransaction(() => {
        for (const { id, period, epoch, used, closed } of rows) {
          settle.run(used, closed ? 1 : 0, closed ? 1 : 0, used, used, id, period, epoch)
        }
      }),
    forget: async before => Number(forget.run(before).changes),
    rows: () => (db.prepare('select count(*) as rows from allowances').get() as { rows: number }).rows,
    [Symbol.dispose]: () => db.close(),
  }
}
