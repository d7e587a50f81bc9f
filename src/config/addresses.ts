export const URL_PATTERN = '^https?://[^\\s\\\\]+$'
export const URL_MESSAGE = 'must be a URL that begins with https://'

/** What is wrong with a provider's base URL; undefined = nothing. */
export function checkBaseUrl(text: string): string | undefined {
  return checkUrl(text)
}

/** What is wrong with the public URL of a listener: it must be an origin, as paths are matched from the root. */
export function checkOrigin(text: string): string | undefined {
  const wrong = checkUrl(text)
  if (wrong !== undefined) return wrong
  return new URL(text).pathname === '/' ? undefined : 'must not have a path'
}

/** What is wrong with a URL that is posted to. */
export function checkEndpoint(text: string): string | undefined {
  return checkUrl(text)
}

/** What is wrong with the URL of a bucket; its path is signed as it is written. */
export function checkBucketUrl(text: string): string | undefined {
  const wrong = checkUrl(text)
  if (wrong !== undefined) return wrong
  return /^(\/[A-Za-z0-9._~-]+)*\/?$/.test(new URL(text).pathname)
    ? undefined
    : 'must have a path of letters, digits and `._~-`'
}

/** What is wrong with the connection URL of a PostgreSQL server. */
export function checkPostgresUrl(text: string): string | undefined {
  return /^postgres(ql)?:\/\//.test(text) ? undefined : 'must begin with postgres://'
}

/** Whether the host of a URL is this machine by its very name. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

function checkUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return URL_MESSAGE
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password'
  if (text.includes('?')) return 'must not have a query'
  if (text.includes('#')) return 'must not have a fragment'
  if (url.protocol === 'http:' && !isLoopback(text))
    return 'must begin with https://; http:// is for loopback hosts only'
  return undefined
}
