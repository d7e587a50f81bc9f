import type { IncomingMessage } from 'node:http'
import type { Problem } from '#core/problems.ts'
import type { Dialect, FindProxy, NoProxy } from '#proxies/known-proxies.ts'
import { type Question, readQuestion } from '#proxies/question.ts'

/** A proxy’s question about a call that it was sent. */
export interface Asked {
  /** Name of the proxy. */
  readonly proxy: string
  readonly dialect: Dialect
  /** Or what is wrong with it. */
  readonly question: Question | Problem
}

/**
 * Puts what a proxy asks about in the place of its question, so that all that follows judges the caller’s own request;
 * or says why that is no proxy’s; null = a caller’s own request it is.
 */
export function takeQuestion(req: IncomingMessage, findProxy: FindProxy): Asked | NoProxy | null {
  const proxy = findProxy(req)
  if (proxy === null || typeof proxy === 'string') return proxy
  const question = readQuestion(req, proxy)
  const { name, dialect } = proxy
  if ('origin' in question)
    Object.assign(req, { method: question.method, url: question.url, headers: question.headers })
  return { proxy: name, dialect, question }
}
