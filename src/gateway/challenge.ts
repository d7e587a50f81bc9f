import type { Problem } from '#core/problems.ts'
import type { Call } from './call.ts'

/** What `WWW-Authenticate` says beside a 401. RFC 6750 §3.1: no error code where no credential was sent. */
export function challengeOf(_call: Call, problem: Problem): string {
  return problem.code === 'auth.missing_credential'
    ? 'Bearer realm="ostiary"'
    : 'Bearer realm="ostiary", error="invalid_token", error_description="The credential is not valid"'
}
