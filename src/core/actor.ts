/** Who asks for a change, as its event says. */
export interface Actor {
  /** Id of an operator's token, or what part of the gateway acts by itself. */
  readonly id: string
  /** Address of the peer; null = this process. */
  readonly source: string | null
  /** Id of the admin request; null = none. */
  readonly requestId: string | null
  /** The only projects that exist for the actor; null = all. */
  readonly projects: ReadonlySet<string> | null
  /** Whether keys may get from the actor what reaches beyond their project. */
  readonly mayGrant: boolean
}

/** The gateway itself. */
export function internalActor(id: string): Actor {
  return { id, source: null, requestId: null, projects: null, mayGrant: true }
}
