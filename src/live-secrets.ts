import type { Logger } from 'pino'
import type { LiveSecret, RewrapStep, SecretOperations } from '#admin/secret-operations.ts'
import { membersByReference } from '#config/pending.ts'
import type { Actor } from '#core/actor.ts'
import type { Clock } from '#core/clock.ts'
import { Problem } from '#core/problems.ts'
import { createTurns } from '#core/turns.ts'
import type { KeyRing } from '#secrets/key-ring.ts'
import { kekOfReference } from '#secrets/sealed-reference.ts'
import type { SecretSummary, Vault } from '#secrets/vault.ts'
import type { Reloads } from './reload.ts'

/** The vault beside the configuration in effect: what changes there reaches every worker, and what has ended, ends. */
export interface LiveSecrets extends SecretOperations, AsyncDisposable {
  /** Begins to end graces, and to warn of old secrets. */
  start(): Promise<void>
}

interface LiveSecretsOptions {
  readonly vault: Vault
  readonly keyRing: KeyRing
  readonly reloads: Reloads
  readonly clock: Clock
  readonly log: Logger
}

const REWRAPPED_AT_ONCE = 100
const RETRY_MS = 5000
const DAY_MS = 86_400_000

export function createLiveSecrets({ vault, keyRing, reloads, clock, log }: LiveSecretsOptions): LiveSecrets {
  const membersOf = (reference: string) => membersByReference(reloads.current()).get(reference) ?? []
  const see = (secret: SecretSummary): LiveSecret => ({ ...secret, usedBy: membersOf(`secret:${secret.name}`) })
  const bringIntoEffect = async (secret: SecretSummary, by: Actor): Promise<LiveSecret> => {
    const seen = see(secret)
    if (seen.usedBy.length > 0) await reloads.refresh(by.id)
    return seen
  }

  const inTurn = createTurns()

  let timer: NodeJS.Timeout | undefined
  let closed = false
  let running: Promise<void> = Promise.resolve()
  const wakeAt = (at: number | null) => {
    clearTimeout(timer)
    if (at === null || closed) return
    timer = setTimeout(wake, Math.min(Math.max(at - clock(), 0), DAY_MS))
    timer.unref()
  }
  const wake = () => {
    running = running.then(async () => {
      try {
        const { ended, nextAt } = await vault.endGraces()
        if (ended.some(name => membersOf(`secret:${name}`).length > 0)) await reloads.refresh('vault')
        wakeAt(nextAt)
      } catch (error) {
        log.error({ err: error }, 'what has ended in the vault could not be destroyed; it is tried again')
        wakeAt(clock() + RETRY_MS)
      }
    })
    return running
  }
  const warnOfAge = () => warnOfOldSecrets(vault, reloads, clock, log)
  const daily = setInterval(warnOfAge, DAY_MS).unref()

  return {
    async start() {
      await wake()
      await warnOfAge()
    },
    list: async page => (await vault.list(page)).map(see),
    async set(name, value, by) {
      return bringIntoEffect(await vault.set(name, value, by), by)
    },
    async rotate(name, value, graceMs, by) {
      const rotated = await vault.rotate(name, value, graceMs, by)
      // Before what may fail: the end of the grace must come in any case.
      void wake()
      return bringIntoEffect(rotated, by)
    },
    async delete(name, by) {
      const usedBy = membersOf(`secret:${name}`)
      if (usedBy.length > 0) throw new Problem('secret.in_use', { detail: `${usedBy.join(', ')}: refers to ${name}.` })
      await vault.delete(name, by)
    },
    rewrap: by => inTurn(() => rewrap(vault, keyRing, reloads, by)),
    async [Symbol.asyncDispose]() {
      closed = true
      clearTimeout(timer)
      clearInterval(daily)
      await running
    },
  }
}

/**
 * A new key is made only where the last re-wrapping came to its end: a crash, or a sealed member that still needs an
 * earlier key, is brought to its end first, so that keys do not pile up.
 */
async function rewrap(vault: Vault, keyRing: KeyRing, reloads: Reloads, by: Actor): Promise<RewrapStep> {
  const isFinished = async () => keyRing.retired().length === 0 && (await vault.underRetiredKeks()).size === 0
  if (!keyRing.fromVariable && (await isFinished())) keyRing.replace()
  const rewrapped = await vault.rewrap(REWRAPPED_AT_ONCE, by)
  const under = await vault.underRetiredKeks()
  const remaining = [...under.values()].reduce((sum, count) => sum + count, 0)
  const sealed = sealedMembers(reloads)
  const removed: string[] = []
  const kept: { kekId: string; usedBy: readonly string[] }[] = []
  for (const kekId of remaining > 0 ? [] : keyRing.retired()) {
    const usedBy = sealed.get(kekId) ?? []
    if (usedBy.length > 0) kept.push({ kekId, usedBy })
    else {
      keyRing.remove(kekId)
      removed.push(kekId)
    }
  }
  if (removed.length > 0) await vault.recordRemoval(removed, by)
  return { kekId: keyRing.currentId, rewrapped, remaining, removed, kept }
}

/** Members of the configuration in effect whose value is sealed in the text, by the KEK that it is under. */
function sealedMembers(reloads: Reloads): ReadonlyMap<string, readonly string[]> {
  const sealed = [...membersByReference(reloads.current())].filter(([reference]) => reference.startsWith('enc:'))
  const groups = Map.groupBy(sealed, ([reference]) => kekOfReference(reference))
  return new Map([...groups].map(([kekId, members]) => [kekId, members.flatMap(([, paths]) => paths)]))
}

const PAGE = 1000

async function warnOfOldSecrets(vault: Vault, reloads: Reloads, clock: Clock, log: Logger): Promise<void> {
  const { warnAgeDays } = reloads.current().config.secrets
  const before = clock() - warnAgeDays * DAY_MS
  try {
    const old: string[] = []
    for (let after: string | undefined, more = true; more; ) {
      const page = await vault.list({ limit: PAGE, after })
      old.push(...page.filter(({ createdAt }) => createdAt <= before).map(({ name }) => name))
      after = page.at(-1)?.name
      more = page.length === PAGE
    }
    if (old.length === 0) return
    log.warn({ secrets: old, warnAgeDays }, 'secrets were not rotated for longer than secrets.warnAgeDays')
  } catch (error) {
    log.error({ err: error }, 'the ages of secrets could not be read')
  }
}
