import type { Logger } from 'pino'
import type { Config } from '#config/schema.ts'
import type { Actor } from '#core/actor.ts'
import { Problem, type ProblemCode } from '#core/problems.ts'
import type { LeakReport } from '#gateway/leak-intake.ts'
import { createLeakKeySource, type LeakKeySource } from '#keys/leak-key-source.ts'
import type { LeakReports } from '#keys/leak-reports.ts'

/** What a worker asks of the supervisor, which alone may change keys: for the key of an identifier, or to act on a report. */
export type LeakQuestion =
  | { readonly about: 'key'; readonly keyId: string }
  | { readonly about: 'report'; readonly report: LeakReport }

/** `key` is PEM; `problem` = why nothing was done. */
export type LeakAnswer =
  | { readonly key: string | null }
  | { readonly ours: readonly boolean[] }
  | { readonly problem: ProblemCode }

/** The supervisor's side of reports of leaked keys. */
export interface LeakedKeys extends AsyncDisposable {
  /** Never rejects. */
  answer(question: LeakQuestion): Promise<LeakAnswer>
}

interface LeakedKeysOptions {
  readonly config: Config['keys']['leakReports']
  readonly leaks: LeakReports
  readonly log: Logger
}

const TIMEOUT_MS = 5000
const MINUTE_MS = 60_000

export async function openLeakedKeys({ config, leaks, log }: LeakedKeysOptions): Promise<LeakedKeys> {
  await using opened = new AsyncDisposableStack()
  const source = config.keysUrl === undefined ? null : await openSource(opened, config, log)
  const takesOne = createPace(config.maxReportsPerMinute)
  const closing = opened.move()
  return {
    async answer(question) {
      if (question.about === 'key') return { key: (await source?.find(question.keyId)) ?? null }
      if (!takesOne()) return { problem: 'leak.too_many_reports' }
      const { id, source: address, tokens } = question.report
      const by: Actor = { id: 'leak-report', source: address, requestId: id, projects: null, mayGrant: true }
      try {
        const results = await leaks.report(tokens, by)
        return { ours: results.map(({ outcome }) => outcome !== 'unknown') }
      } catch (error) {
        if (!(error instanceof Problem))
          log.error({ err: error, call: id }, 'a report of leaked keys failed by a defect')
        return { problem: error instanceof Problem ? error.code : 'gateway.internal' }
      }
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

async function openSource(
  opened: AsyncDisposableStack,
  { keysUrl = '', allowPrivateNetwork }: Config['keys']['leakReports'],
  log: Logger,
): Promise<LeakKeySource> {
  // Loaded where it is used: few gateways fetch keys.
  const { createUpstream } = await import('#http/upstream.ts')
  const { origin } = new URL(keysUrl)
  const bounds = { connections: 1, connectTimeoutMs: TIMEOUT_MS, timeoutMs: TIMEOUT_MS, idleTimeoutMs: TIMEOUT_MS }
  const { send } = opened.use(createUpstream({ origin, allowPrivateNetwork, ...bounds }))
  return createLeakKeySource({
    url: keysUrl,
    send,
    clock: () => performance.now(),
    onTrouble(error) {
      if (error === null) log.info('keys of reporters of leaks are fetched again')
      else log.error({ err: error }, 'keys of reporters of leaks cannot be fetched')
    },
  })
}

/** Whether one more fits into the minute that began with the first. */
function createPace(perMinute: number): () => boolean {
  let began = Number.NEGATIVE_INFINITY
  let taken = 0
  return () => {
    // Not the time of day, which may be set back.
    const now = performance.now()
    if (now - began >= MINUTE_MS) {
      began = now
      taken = 0
    }
    return ++taken <= perMinute
  }
}
