import type { IncomingHttpHeaders } from 'node:http'

/** The API dialects that callers and providers speak. */
export type FormatName = 'openai' | 'anthropic' | 'gemini'

/** What differs between the dialects on the way to a provider. */
export interface WireFormat {
  readonly name: FormatName
  /** Whether a caller's header is passed on unchanged. Everything else of the caller's stays here. */
  forwards(header: string): boolean
  credentialHeaders(credential: string): Record<string, string>
  /** Members that name an object in the provider's account wherever they stand. */
  readonly references: ReadonlySet<string>
  /** Whether an object is such a name by its form, whatever member holds it. */
  readonly refersById?: (value: Record<string, unknown>) => boolean
  /** Whether the value of one of `references` is public after all. */
  readonly isPublic?: (member: string, value: unknown) => boolean
  /** Members that do so at the top level only. */
  readonly topLevelReferences: ReadonlySet<string>
  /** Members whose content belongs to the caller's own vocabulary (JSON Schemas, tool arguments): not looked into. */
  readonly opaque: ReadonlySet<string>
}

/** The headers of a provider request: the format's own of the caller's, ours, and the operator's credential. */
export function requestHeaders(
  format: WireFormat,
  caller: IncomingHttpHeaders,
  credential: string | null,
): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: caller.accept ?? '*/*',
    // Usage is read from the stream in passing, and an event stream must not be held back by a compressor.
    'accept-encoding': 'identity',
    'user-agent': 'ostiary',
  }
  for (const name in caller) {
    if (format.forwards(name)) headers[name] = caller[name] as string
  }
  return credential === null ? headers : Object.assign(headers, format.credentialHeaders(credential))
}
