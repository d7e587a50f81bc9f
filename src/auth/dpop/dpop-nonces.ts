import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '#core/clock.ts'
import { createHmacSha256 } from '#core/hmac.ts'

/**
 * Nonces that the gateway gives out (RFC 9449 §9): a keyed hash of the time, so that whoever has the deployment secret
 * knows those of all others, and nothing is stored. One is good for one step and the next.
 */
export interface DpopNonces {
  current(): string
  /** Whether it is the current one, the one before, which soon ends, or `null` = neither. */
  judge(nonce: string): 'current' | 'previous' | null
}

export const NONCE_STEP_MS = 120_000
const LABEL = 'dpop-nonce '
const LENGTH = 22

export function createDpopNonces(secret: Buffer, clock: Clock): DpopNonces {
  const mac = createHmacSha256(secret, 32)
  const make = (step: number) =>
    Buffer.from(mac(LABEL + step), 'hex')
      .toString('base64url')
      .slice(0, LENGTH)
  let at = -1
  let [current, previous] = ['', '']
  const turn = () => {
    const step = Math.floor(clock() / NONCE_STEP_MS)
    if (step === at) return
    at = step
    current = make(step)
    previous = make(step - 1)
  }
  return {
    current() {
      turn()
      return current
    },
    judge(nonce) {
      turn()
      if (equals(nonce, current)) return 'current'
      return equals(nonce, previous) ? 'previous' : null
    },
  }
}

function equals(sent: string, own: string): boolean {
  return sent.length === LENGTH && timingSafeEqual(Buffer.from(sent, 'latin1'), Buffer.from(own, 'latin1'))
}
