import type { ProviderRequest } from '#core/exchange.ts'
import { Problem } from '#core/problems.ts'
import type { Secret } from '#core/secret.ts'
import { sendWhole, type WholeReply } from '#core/whole-reply.ts'
import type { Introspection, IntrospectionTrouble } from './introspection.ts'

/** Longest answer that is read, in bytes. */
export const MAX_ANSWER_BYTES = 64 * 1024

/**
 * Asks the endpoint about a token (RFC 7662 §2.1); answers its reply, which is of status 200 and whole. Rejects with
 * `auth.issuer_unavailable`, whose reason is an `IntrospectionTrouble`.
 */
export async function askIntrospection(
  introspection: Introspection,
  token: string,
  now: number,
): Promise<Pick<WholeReply, 'headers' | 'body'>> {
  const { clientSecret, previousSecret } = introspection
  let reply = await send(introspection, token, clientSecret)
  // While a rotation lasts, the issuer may still know the client by the secret before.
  if (reply.status === 401 && previousSecret !== null && now < previousSecret.until) {
    reply = await send(introspection, token, previousSecret.secret)
  }
  if (refusesClient(reply)) throw unavailable('introspection_client_refused')
  if (reply.status === 400) throw unavailable('introspection_rejected')
  if (reply.status !== 200) throw unavailable('introspection_status')
  if (reply.body.length > MAX_ANSWER_BYTES) throw unavailable('introspection_too_large')
  return reply
}

/** RFC 6749 §5.2: a client that did not send its secret in a header may be told so by 400. */
function refusesClient({ status, body }: WholeReply): boolean {
  if (status !== 400) return status === 401 || status === 403
  return /"error"\s*:\s*"(?:invalid|unauthorized)_client"/.test(body.toString('latin1'))
}

export function unavailable(reason: IntrospectionTrouble, cause?: unknown): Problem {
  return new Problem('auth.issuer_unavailable', { reason, cause })
}

async function send(introspection: Introspection, token: string, secret: Secret): Promise<WholeReply> {
  const { timeoutMs } = introspection
  try {
    return await sendWhole(introspection.send, toRequest(introspection, token, secret), MAX_ANSWER_BYTES + 1, timeoutMs)
  } catch (error) {
    throw unavailable(troubleOf(error), error)
  }
}

function toRequest(introspection: Introspection, token: string, secret: Secret): ProviderRequest {
  const { clientId, authentication, signed, path } = introspection
  const form = new URLSearchParams({ token, token_type_hint: 'access_token' })
  const headers: Record<string, string> = {
    accept: signed ? 'application/token-introspection+jwt' : 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  }
  if (authentication === 'client_secret_post') {
    form.set('client_id', clientId)
    form.set('client_secret', secret.reveal())
  } else {
    const pair = `${formEncode(clientId)}:${formEncode(secret.reveal())}`
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`
  }
  return { method: 'POST', path, headers, body: Buffer.from(form.toString()) }
}

/** RFC 6749 §2.3.1: id and secret are encoded as in a form before they are joined. */
function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

function troubleOf(error: unknown): IntrospectionTrouble {
  if (!(error instanceof Problem)) return 'introspection_broken'
  if (error.code === 'upstream.timeout') return 'introspection_timeout'
  if (error.reason === 'redirect') return 'introspection_redirect'
  return error.code === 'upstream.broken' ? 'introspection_broken' : 'introspection_unreachable'
}
