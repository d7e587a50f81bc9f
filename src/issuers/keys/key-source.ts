/** Where the keys of one issuer are, and how they are kept. */
export interface KeySource {
  /** Names it between threads: another address is another source, whose keys are fetched anew. */
  readonly id: string
  /** Name of the issuer in the configuration. */
  readonly name: string
  /** The issuer identifier. */
  readonly issuer: string
  /** null = discovered. */
  readonly jwksUrl: string | null
  /** A file in the place of both; absolute. */
  readonly jwksFile: string | null
  readonly allowPrivateNetwork: boolean
  readonly life: KeyLife
}

export interface KeyLife {
  /** Longest time between two fetches. */
  readonly refreshMs: number
  /** How long keys are good that cannot be fetched any more. */
  readonly maxStaleMs: number
  /** Fetches for keys that are not known: `burst` at once, and then one in this time. */
  readonly refetchMs: number
  readonly refetchBurst: number
}
