import { EXPIRY_NOTICE_MS } from '#core/expiry-notice.ts'
import type { Call } from './call.ts'

const NONE: readonly string[] = []

/** Tells the caller that their key ends soon: name and value, as an HTTP date like `Sunset` (RFC 8594); else nothing. */
export function expiryHeader({ principal, at }: Call): readonly string[] {
  const expiresAt = principal?.expiresAt ?? null
  if (expiresAt === null || expiresAt - at > EXPIRY_NOTICE_MS) return NONE
  return ['x-ostiary-key-expires', new Date(expiresAt).toUTCString()]
}
