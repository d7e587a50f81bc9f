import type { Problem } from '#core/problems.ts'
import type { Call } from './call.ts'

/**
 * What `WWW-Authenticate` says beside a 401. RFC 6750 §3.1: no error code where no credential was sent. RFC 9728 §5.1: where to
 * learn who gives out tokens, if anybody does.
 */
export function challengeOf({ resourceMetadataUrl }: Call, problem: Problem): string {
  const where = resourceMetadataUrl === null ? '' : `, resource_metadata="${resourceMetadataUrl}"`
  return `Bearer realm="ostiary"${errorOf(problem)}${where}`
}

function errorOf(problem: Problem): string {
  if (problem.code === 'auth.missing_credential') return ''
  if (problem.challenge !== undefined) return `, ${problem.challenge}`
  return ', error="invalid_token", error_description="The credential is not valid"'
}
