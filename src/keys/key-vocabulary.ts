import type { Action } from '#core/action.ts'

/** What keys may name, as the configuration in effect has it. */
export interface KeyVocabulary {
  /** Roles that somebody can have. */
  readonly roles: readonly string[]
  /** Of models and of services. */
  readonly actions: readonly Action[]
  /** Names of metadata that policies read as tags; null = it may be any. */
  readonly tagsRead: ReadonlySet<string> | null
}
