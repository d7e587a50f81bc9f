import type { FastifyRequest } from 'fastify'
import { Problem } from '#core/problems.ts'

/** Entity tag of a row's version (RFC 9110 §8.8.3). */
export function etagOf(version: number): string {
  return `"${version}"`
}

/** Throws `admin.precondition_failed` where the caller names a version that is not the present one (RFC 9110 §13.1.1). */
export function requireMatch(request: FastifyRequest<never> | FastifyRequest, version: number): void {
  const wanted = request.headers['if-match']
  if (wanted === undefined || wanted === '*') return
  const tags = wanted.split(',').map(tag => tag.trim())
  if (!tags.includes(etagOf(version))) throw new Problem('admin.precondition_failed')
}
