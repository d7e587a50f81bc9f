/** What a command has of the world. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: Output
}

interface Output {
  write(text: string): unknown
  /** A person may be watching. */
  readonly isTTY?: boolean
  /** Of a stream: `drain` comes when there is room again after `write` returned false. */
  once?(event: 'drain' | 'close', listener: () => void): unknown
}

/** Resolves to the exit code: 0 done, 1 refused or failed, 2 wrong usage or configuration. */
export type Command = (args: string[], io: Io) => Promise<number>
