/**
 * Who holds the key-encryption keys (KEK): the data directory and a variable (`key-ring.ts`); a key service is another.
 * `context` is authenticated with the data key and must be the same again; what does not fit throws `secret.unreadable`.
 */
export interface KeyWrapper {
  /** Id of the KEK that wraps now. */
  readonly currentId: string
  wrap(dataKey: Buffer, context: string): Promise<{ readonly kekId: string; readonly wrapped: Buffer }>
  unwrap(kekId: string, wrapped: Buffer, context: string): Promise<Buffer>
}
