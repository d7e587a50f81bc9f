import type { Action } from '#core/action.ts'

/** The names of a configuration that policies may speak of: what is not among them can never apply. */
export interface Vocabulary {
  /** Roles that somebody can have. */
  readonly roles: readonly string[]
  /** All that can be asked for, but for lists of models: those show what may be called. */
  readonly actions: readonly Action[]
  /** Names and patterns of models, in which `*` stands for any characters, by the name of their group of the configuration. */
  readonly modelGroups: Readonly<Record<string, readonly string[]>>
  /** Names that callers may use, with `*` at the end any that begins so. */
  readonly models: readonly string[]
  readonly providers: readonly string[]
  readonly services: readonly string[]
  readonly issuers: readonly string[]
}
