/** Everything that can go wrong, by code. `status` is the HTTP answer; null = never sent over HTTP (start-up, CLI, event only). */
export interface ProblemType {
  readonly status: number | null
  readonly title: string
  /** What the reader can do about it, one sentence. */
  readonly help: string
}
