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
  /** A person may be watching. */
  readonly isTTY?: boolean
  /** Of a stream: `drain` comes when there is room again after `write` returned false. */
  once?(event: 'drain' | 'close', listener: () => void): unknown
}

/** Resolves to the exit code: 0 done, 1 refused or failed, 2 wrong usage or configuration. */
export type Command = (args: string[], io: Io) => Promise<number>

/** An option as `parseArgs` reads it, and as help and completion show it. */
export interface Option {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What stands for its value in the help; a list of words with `|` is completed. */
  readonly value?: string
  readonly required?: boolean
  readonly description: string
}

/** What help and completion tell of a command. */
export interface CommandDescription {
  readonly summary: string
  /** What comes after it without an option, such as `ID`. */
  readonly operands?: string
  readonly options?: Readonly<Record<string, Option>>
  /** What follows the options in the help. */
  readonly notes?: string
  /** One line that works as it is. */
  readonly example: string
}

/** A command of `ostiary`, alone or with commands of its own. */
export interface CommandEntry extends CommandDescription {
  readonly commands?: Readonly<Record<string, CommandDescription>>
  /** Loaded when called: `keys list` need not wait for what `start` imports. It is given what follows its name. */
  readonly load: () => Promise<Command>
}
