/** Something that an operator should know of an issuer. */
export interface Finding {
  /** `error` = tokens are refused, or somebody else may make them; `warning` = weaker than need be; `info` = worth knowing. */
  readonly level: 'error' | 'warning' | 'info'
  /** A word for programs. */
  readonly code: string
  /** What it is and what to do about it. */
  readonly text: string
}

/** Keys of an issuer could not be had; `code` says why in a word. */
export class KeysNotHad extends Error {
  readonly code: string

  constructor(code: string, text: string, cause?: unknown) {
    super(text, { cause })
    this.name = 'KeysNotHad'
    this.code = code
  }
}
