import type { Service, ServiceUpstream } from './service.ts'

/**
 * Where callers find what a service refers to in `Location`: what is at its own origin, below its own path, is at the public
 * place of the service; everything else is as it was.
 */
export function publicReference(
  { path }: Pick<Service, 'path'>,
  { origin, basePath, stripPath }: Pick<ServiceUpstream, 'origin' | 'basePath' | 'stripPath'>,
  reference: string,
): string {
  // Relative to what was asked for: it stays where it is.
  if (!/^(?:[a-z][a-z0-9+.-]*:|\/)/i.test(reference) || !URL.canParse(reference, origin)) return reference
  const url = new URL(reference, origin)
  if (url.origin !== origin || url.username !== '' || url.password !== '') return reference
  const { pathname, search, hash } = url
  if (basePath !== '' && pathname !== basePath && !pathname.startsWith(`${basePath}/`)) return reference
  const below = pathname.slice(basePath.length)
  const place = (stripPath ? path + below : below) || '/'
  // With two slashes it would name another host.
  return place.startsWith('//') ? reference : place + search + hash
}
