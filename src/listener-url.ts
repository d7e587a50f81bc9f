interface Listener {
  readonly url?: string | undefined
  readonly port: number
}

/** Origin of a listener: as configured; where the system chose the port, with that one. */
export function listenerUrl({ url, port }: Listener, bound: number): string {
  if (url === undefined) return `http://localhost:${bound}`
  const origin = new URL(url).origin
  return port === 0 ? origin.replace(/:0$/, `:${bound}`) : origin
}
