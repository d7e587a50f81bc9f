import { createHash, randomBytes } from 'node:crypto'
import { APP } from './company-idp.ts'

/**
 * Logs somebody in at the company's identity provider, as the app on their device does: authorization code with PKCE
 * (RFC 7636). The password goes to the identity provider alone. Returns the access token.
 */
export async function logIn(issuer: string, name: string, password: string): Promise<string> {
  const verifier = randomBytes(32).toString('base64url')
  const browser = new Browser()
  const query = new URLSearchParams({
    client_id: APP.id,
    response_type: 'code',
    redirect_uri: APP.redirectUri,
    scope: 'openid catalog',
    state: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const form = await browser.follow(`${issuer}/auth?${query}`)
  const callback = await browser.follow(form, new URLSearchParams({ name, password }))
  const { searchParams } = new URL(callback)
  if (searchParams.get('state') !== query.get('state')) throw new Error('somebody else’s answer')
  const reply = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: APP.id,
      redirect_uri: APP.redirectUri,
      code: searchParams.get('code') ?? '',
      code_verifier: verifier,
    }),
  })
  if (!reply.ok) throw new Error(`the identity provider answered ${reply.status}: ${await reply.text()}`)
  return ((await reply.json()) as { access_token: string }).access_token
}

/** As much of a browser as a log-in needs: cookies and redirects, up to a page or to the app itself. */
class Browser {
  readonly #cookies = new Map<string, string>()

  /** Returns where it ended: the page that wants an answer, or the app's own address. */
  async follow(url: string, form?: URLSearchParams): Promise<string> {
    let body = form
    for (let at = url, hops = 0; hops < 10; hops++) {
      if (at.startsWith(APP.redirectUri)) return at
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const reply = await fetch(at, {
        redirect: 'manual',
        headers: { cookie },
        ...(body !== undefined && { method: 'POST', body }),
      })
      body = undefined
      for (const set of reply.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
        this.#cookies.set(name, value)
      }
      const next = reply.headers.get('location')
      if (next === null && !reply.ok) throw new Error(`the identity provider answered ${reply.status}`)
      if (next === null) return at
      at = new URL(next, at).href
    }
    throw new Error('too many redirects')
  }
}

/** What the app shows: the list of titles, and the first one as it streams. */
export async function watch(gateway: string, token: string, show: (frame: string) => void): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const list = await fetch(`${gateway}/catalog/titles`, { headers })
  if (!list.ok) throw new Error(`the catalog answered ${list.status}`)
  const { titles } = (await list.json()) as { titles: readonly { id: string }[] }
  const film = await fetch(`${gateway}/catalog/titles/${titles[0]?.id}/stream`, { headers })
  const decoder = new TextDecoder()
  for await (const chunk of film.body ?? []) show(decoder.decode(chunk as Uint8Array, { stream: true }))
}

/** What editors do. */
export function rename(gateway: string, token: string, id: string, name: string): Promise<Response> {
  return fetch(`${gateway}/catalog/titles/${id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  })
}
