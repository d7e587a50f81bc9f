import { Problem } from '#core/problems.ts'
import { createIntrospector, type IntrospectorOptions } from './introspect.ts'
import type { VerifyToken } from './verify-token.ts'

/** Who verifies tokens, in their order: `verify`, whose word the issuers may have to confirm, and the issuers themselves. */
export function withIntrospection(verify: VerifyToken, options: IntrospectorOptions): readonly VerifyToken[] {
  if (options.introspections.length === 0) return [verify]
  const { introspect, confirm } = createIntrospector(options)
  const confirmed: VerifyToken = (credential, source) => {
    const verdict = verify(credential, source)
    if (verdict instanceof Promise) {
      return verdict.then(known => (known instanceof Problem ? known : confirm(known, credential, source)))
    }
    return verdict === null || verdict instanceof Problem ? verdict : confirm(verdict, credential, source)
  }
  return [confirmed, introspect]
}
