import { type Problem, problemTypes } from '#core/problems.ts'
import { discardBody } from '#http/discard-body.ts'
import type { Call } from './call.ts'
import { challengeHeaders } from './challenge.ts'
import { expiryHeader } from './expiry-header.ts'
import { limitHeaders } from './limit-headers.ts'
import { renderProblem } from './render-problem.ts'

/** Prepares the answer to a problem in the route's format, for `finish` to send. There is none where the caller is gone. */
export function refuse(call: Call, problem: Problem): void {
  const { res } = call
  call.problem ??= problem
  call.reply?.hangUp()
  call.answer = null
  // Before the headers say what is left. What had been sent is settled when it is over.
  if (call.sentAt === 0) call.ticket?.refund()
  if (call.gone || res.headersSent || problemTypes[problem.code].status === null) {
    res.destroy()
    return
  }
  const format = call.route?.format ?? 'problem+json'
  const { contentType, body } = renderProblem(format, problem, call.id)
  call.bytesOut = Buffer.byteLength(body)
  const headers = [
    'content-type',
    contentType,
    'content-length',
    String(call.bytesOut),
    'cache-control',
    'no-store',
    'x-request-id',
    call.id,
  ]
  if (format === 'anthropic') headers.push('request-id', call.id)
  headers.push(...expiryHeader(call), ...limitHeaders(format, call.ticket, call.at))
  headers.push(...challengeHeaders(call, problem))
  if (problem.status === 503 && problem.headers?.['retry-after'] === undefined) headers.push('retry-after', '1')
  for (const [name, value] of Object.entries(problem.headers ?? {})) headers.push(name, value)
  const status = statusOf(call, problem)
  if (status !== problem.status) headers.push('x-ostiary-status', String(problem.status))
  res.statusCode = status
  call.answer = () => {
    call.answer = null
    // Gone while its event was being written.
    if (call.gone) return
    res.writeHead(status, headers)
    // With as many bytes as characters it is ASCII, and leaves with the head in one write of one buffer.
    res.end(body, call.bytesOut === body.length ? 'latin1' : 'utf8')
    discardBody(call.req)
  }
}

/** nginx’s `auth_request` knows 401 and 403; at anything else it fails with 500. What was meant is told in a header. */
function statusOf({ asked }: Call, { status }: Problem): number {
  return asked?.dialect === 'nginx' && status < 500 && status !== 401 ? 403 : status
}
