/** What a command has of the world. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: Output
  /** Where secrets come from; absent = there is none. */
  readonly stdin?: Input
}

interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean | undefined
}

interface Output {
  write(text: string): unknown
}

/** Resolves to the exit code: 0 done, 1 refused or failed, 2 wrong usage or configuration. */
export type Command = (args: string[], io: Io) => Promise<number>
