import type { KeyObject } from 'node:crypto'
import type { Config } from '#config/schema.ts'
import { readP256Key } from '#core/p256-key.ts'
import { Problem } from '#core/problems.ts'
import type { LeakIntakeOptions } from '#gateway/leak-intake.ts'
import type { LeakAnswer, LeakQuestion } from './leaked-keys.ts'

/** A worker's side of reports of leaked keys: it verifies them, and leaves what follows to the supervisor. */
export interface LeakLine extends Pick<LeakIntakeOptions, 'findKey' | 'report'> {
  /** The supervisor's answer to the question of this number. */
  onAnswer(number: number, answer: LeakAnswer): void
}

/** null = reports are not taken: neither keys nor a source of them are configured. */
export function openLeakLine(
  config: Config['keys']['leakReports'],
  ask: (number: number, question: LeakQuestion) => void,
): LeakLine | null {
  const fixed = new Map(Object.entries(config.publicKeys).map(([id, pem]) => [id, readP256Key(pem) as KeyObject]))
  if (fixed.size === 0 && config.keysUrl === undefined) return null
  const waiting = new Map<number, (answer: LeakAnswer) => void>()
  let number = 0
  const answerTo = (question: LeakQuestion) =>
    new Promise<LeakAnswer>(resolve => {
      waiting.set(++number, resolve)
      ask(number, question)
    })
  return {
    async findKey(keyId) {
      const known = fixed.get(keyId)
      if (known !== undefined || config.keysUrl === undefined) return known ?? null
      const answer = await answerTo({ about: 'key', keyId: keyId.slice(0, 128) })
      return 'key' in answer && answer.key !== null ? readP256Key(answer.key) : null
    },
    async report(report) {
      const answer = await answerTo({ about: 'report', report })
      if ('ours' in answer) return answer.ours
      const problem = 'problem' in answer ? answer.problem : 'gateway.internal'
      throw new Problem(problem, problem === 'leak.too_many_reports' ? { headers: { 'retry-after': '60' } } : {})
    },
    onAnswer(number, answer) {
      waiting.get(number)?.(answer)
      waiting.delete(number)
    },
  }
}
