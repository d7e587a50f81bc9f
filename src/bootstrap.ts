import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { internalActor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import { adminScopes } from '#core/operator.ts'
import { tokenEvent } from '#keys/operator-tokens.ts'
import { checkTokenText, digestToken, makeTokenText } from '#keys/token-format.ts'
import { createFile } from '#secrets/data-directory.ts'
import type { OperatorTokenRecord, OperatorTokenStore } from '#store/ports.ts'

interface BootstrapOptions {
  readonly file: string
  readonly store: OperatorTokenStore
  readonly clock: Clock
}

/**
 * Sees to the bootstrap token, the operator's credential until there is an operator. The database says whether it is
 * good: its row is revoked in the transaction that writes the first operator token with `tokens:write`. The file is only
 * where its text is. Resolves to whether it is good.
 */
export async function openBootstrap({ file, store, clock }: BootstrapOptions): Promise<boolean> {
  const row = await store.find('bootstrap')
  if (row !== undefined && row.revokedAt !== null) {
    // A stop between the commit and the removal, or a backup that was put back.
    rmSync(file, { force: true })
    return false
  }
  const kept = readToken(file)
  if (row !== undefined && kept !== null && row.digest === digestToken(kept)) return true
  // None was made yet; or the file was lost or replaced while the token was good.
  const text = row === undefined && kept !== null ? kept : makeTokenText()
  createFile(file, text)
  const now = clock()
  await store.replaceBootstrap(bootstrapRecord(text, now), createdEvent('start', now))
  return true
}

/** Ends every operator token and makes a new bootstrap token. Resolves to the ids of those that it ended. */
export async function resetBootstrap({ file, store, clock }: BootstrapOptions): Promise<readonly string[]> {
  const text = makeTokenText()
  const now = clock()
  // A stop after the commit leaves a good token without its file: the next start makes another.
  const ended = await store.reset(bootstrapRecord(text, now), createdEvent('tokens reset', now), id =>
    tokenEvent('token.revoked', id, internalActor('tokens reset'), now, { reason: 'reset' }),
  )
  createFile(file, text)
  return ended
}

function bootstrapRecord(text: string, now: number): OperatorTokenRecord {
  return {
    id: 'bootstrap',
    name: 'bootstrap',
    digest: digestToken(text),
    scopes: adminScopes,
    projects: null,
    createdBy: 'bootstrap',
    createdAt: now,
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
  }
}

function createdEvent(actor: string, now: number) {
  return tokenEvent('token.created', 'bootstrap', internalActor(actor), now, { name: 'bootstrap' })
}

function readToken(file: string): string | null {
  if (!existsSync(file)) return null
  chmodSync(file, 0o600)
  const text = readFileSync(file, 'utf8').trim()
  return checkTokenText(text) === null ? text : null
}
