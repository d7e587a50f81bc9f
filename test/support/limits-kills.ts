import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BOUND, daily, purse } from './limits-spender.ts'

const PROGRAM = fileURLToPath(new URL('./limits-spender.ts', import.meta.url))

/**
 * Kills a program that spends, again and again, and holds its own book against what the limits know: all of the budget
 * that it used is spent, a kill costs a slice at most, and nothing is ever let through beyond the budget or the rate.
 */
export async function killAndCount(kills: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ostiary-limits-'))
  const [database, book] = [join(folder, 'allowances.db'), join(folder, 'book')]
  const began = Date.now()
  try {
    for (let kill = 0; kill < kills; kill++) {
      const child = spawn(process.execPath, [PROGRAM, database, book], { stdio: ['ignore', 'ignore', 'inherit'] })
      const exited = once(child, 'exit')
      const sizeBefore = read(book).length
      while (read(book).length < sizeBefore + 20 && child.exitCode === null) await pause(2)
      await pause(Math.random() * 30)
      child.kill('SIGKILL')
      await exited
      const calls = read(book)
      const used = calls.reduce((sum, each) => sum + each, 0)
      const known = highs(database)
      assert.ok(used <= (known.budget ?? 0), `${used} used, ${known.budget} on record`)
      assert.ok((known.budget ?? 0) <= purse.amount)
    }
    const child = spawn(process.execPath, [PROGRAM, database, book], { stdio: ['ignore', 'pipe', 'inherit'] })
    const output = await child.stdout.toArray()
    const end = Buffer.concat(output).toString().trim()
    const calls = read(book)
    const used = calls.reduce((sum, each) => sum + each, 0)
    const seconds = (Date.now() - began) / 1000
    const allowed = daily.amount + Math.floor((daily.amount * seconds) / daily.windowSeconds)
    assert.ok(used <= purse.amount && calls.length <= allowed)
    // A slice of each, and the call under way, is what a kill may cost.
    const lost = (share: number, call: number) => (kills + 1) * (share + call)
    if (end === 'budget.exhausted')
      assert.ok(used >= purse.amount - lost(Math.ceil(purse.amount / 64), BOUND), `${used}`)
    else {
      assert.equal(end, 'limits.rate_exceeded')
      assert.ok(calls.length >= daily.amount - lost(Math.ceil(daily.amount / 64), 1), `${calls.length} calls`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** What each call used. The last line may be cut off. */
function read(book: string): readonly number[] {
  return existsSync(book) ? readFileSync(book, 'utf8').split('\n').slice(0, -1).map(Number) : []
}

function highs(database: string): { readonly budget: number | undefined } {
  const db = new DatabaseSync(database, { readOnly: true })
  try {
    const rows = db.prepare('select high from allowances').all() as { readonly high: number }[]
    // The rate's is in microseconds since the epoch.
    return { budget: rows.map(({ high }) => high).find(high => high < 1e12) }
  } finally {
    db.close()
  }
}
