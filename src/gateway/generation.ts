import type { Authenticate } from '#auth/authenticate.ts'
import type { Catalog } from '#providers/catalog.ts'
import type { Lifetime } from './lifetime.ts'
import type { InputLimits } from './read-input.ts'

/** What one generation of the configuration gives the pipeline. A call keeps the one it began with. */
export interface Generation extends Pick<Lifetime, 'enter' | 'leave'> {
  readonly number: number
  readonly authenticate: Authenticate
  readonly catalog: Catalog
  readonly limits: InputLimits
}
