import { EXPIRY_NOTICE_MS } from '#core/expiry-notice.ts'
import type { Call } from './call.ts'

const NONE: readonly string[] = []
/** One key calls many times, and a date is dear to write. */
let last: { readonly expiresAt: number; readonly header: readonly string[] } = { expiresAt: 0, header: NONE }

/** Tells the caller that their key ends soon: name and value, as an HTTP date like `Sunset` (RFC 8594); else nothing. */
export function expiryHeader({ principal, at }: Call): readonly string[] {
  const expiresAt = principal?.kind === 'api_key' ? principal.expiresAt : null
  if (expiresAt === null || expiresAt - at > EXPIRY_NOTICE_MS) return NONE
  if (last.expiresAt !== expiresAt) {
    last = { expiresAt, header: ['x-ostiary-key-expires', new Date(expiresAt).toUTCString()] }
  }
  return last.header
}
