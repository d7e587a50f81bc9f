/** What one call used, in tokens. A part that is counted within another (cached within input, reasoning within output) is said beside it. */
export interface TokenUsage {
  /** All input tokens, those read from and written to a cache included. */
  readonly input: number
  /** Of `input`: read from the provider's cache. */
  readonly cachedInput: number
  /** Of `input`: written to the provider's cache. */
  readonly cacheWrite: number
  /** All output tokens, reasoning included. */
  readonly output: number
  /** Of `output`: reasoning that the caller does not see, or sees as thoughts. */
  readonly reasoning: number
  /** Of `input` and of `output`. */
  readonly audioInput: number
  readonly audioOutput: number
  readonly imageInput: number
  readonly imageOutput: number
}

/** Who counted: the provider, or the gateway, because the provider did not (hang-up, broken stream, no report). */
export type UsageSource = 'provider' | 'estimate'

export interface MeteredUsage extends TokenUsage {
  readonly source: UsageSource
}
