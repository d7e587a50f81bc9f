import { type ProblemCode, problemTypes } from './problem-types.ts'

export { type ProblemCode, problemTypes } from './problem-types.ts'

interface ProblemOptions {
  /** Shown to the caller. */
  readonly detail?: string
  /** Never shown to the caller: which check refused. A word, recorded in the event. */
  readonly reason?: string
  /** Never shown to the caller: id of the credential that was recognised and refused. */
  readonly credential?: string
  /** Never shown to the caller. */
  readonly cause?: unknown
  /** Parameters of the challenge that goes with a 401 (RFC 9110 §11.6.1). */
  readonly challenge?: string
  /** Further headers of the answer, such as `allow`. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A registered failure: a public code and detail, a private reason and cause. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly detail: string | undefined
  readonly reason: string | undefined
  readonly credential: string | undefined
  readonly challenge: string | undefined
  readonly headers: Readonly<Record<string, string>> | undefined

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    // A refusal is an answer, not a defect: its stack is never read, and capturing one would cost a flood more than the answer.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(options.detail ?? problemTypes[code].title, { cause: options.cause })
    Error.stackTraceLimit = limit
    this.name = 'Problem'
    this.code = code
    this.detail = options.detail
    this.reason = options.reason
    this.credential = options.credential
    this.challenge = options.challenge
    this.headers = options.headers
  }

  get status(): number {
    return problemTypes[this.code].status ?? 500
  }

  get title(): string {
    return problemTypes[this.code].title
  }
}

/** A problem as RFC 9457 says. `type` is an identifier (§3.1.1); its page is `docs/reference/problems/<code>.md`. */
export function toProblemJson(problem: Problem, requestId?: string): object {
  const { code, title, status, detail } = problem
  return { type: `urn:ostiary:problem:${code}`, title, status, detail, code, request_id: requestId }
}
