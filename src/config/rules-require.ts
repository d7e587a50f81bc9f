import { knownRoles } from '#core/roles.ts'
import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import type { Draft } from './rules.ts'

/** An alternative as it is left when what does not fit the schema is gone. */
interface Alternative {
  readonly kinds?: readonly string[]
  readonly issuers?: readonly string[]
  readonly roles?: readonly string[]
  readonly binding?: readonly string[]
  readonly acrValues?: readonly string[]
  readonly maxAgeSeconds?: number | null
}

/** Refuses alternatives that everybody fits, that nobody can fit, and that another one makes idle. */
export function checkRequire(
  draft: Draft,
  alternatives: readonly Alternative[] | undefined,
  path: Path,
  faults: Faults,
): void {
  const seen = new Set<string>()
  const known = knownRoles(draft)
  for (const [index, alternative] of (alternatives ?? []).entries()) {
    const at = [...path, String(index)]
    const { kinds = [], issuers = [], binding = [], acrValues = [], maxAgeSeconds = null } = alternative
    const asks = [kinds, issuers, alternative.roles ?? [], binding, acrValues].some(list => list.length > 0)
    if (!asks && maxAgeSeconds === null) faults.add(at, 'asks for nothing, so that everybody fits')
    for (const [place, issuer] of issuers.entries()) {
      const names = Object.keys(draft.issuers ?? {})
      if (names.includes(issuer)) continue
      faults.add([...at, 'issuers', String(place)], `there is no issuer of this name${suggest(issuer, names)}`)
    }
    for (const [place, role] of (alternative.roles ?? []).entries()) {
      if (known.includes(role)) continue
      const hint = suggest(role, known)
      faults.add(
        [...at, 'roles', String(place)],
        `nobody can have this role: it is not shipped, not in policies.roles, and no issuer gives it${hint}`,
      )
    }
    const isLogin = acrValues.length > 0 || maxAgeSeconds !== null
    if (binding.length > 0 && binding.every(kind => kind === 'certificate')) {
      faults.add(at, 'can never be met: callers show certificates over TLS, which the public listener does not end')
    }
    const isOfTokens = isLogin || (kinds.length > 0 && !kinds.includes('api_key'))
    if (isOfTokens && Object.keys(draft.issuers ?? {}).length === 0) {
      faults.add(at, 'can never be met: callers have tokens of an issuer, and there are no `issuers`')
    }
    if (isLogin && kinds.length > 0 && !kinds.includes('user')) {
      faults.add(at, 'can never be met: only people log in, and `kinds` leaves them out')
    }
    if (issuers.length > 0 && kinds.length > 0 && kinds.every(kind => kind === 'api_key')) {
      faults.add(at, 'can never be met: API keys have no issuer')
    }
    const text = JSON.stringify([kinds, issuers, alternative.roles ?? [], binding, acrValues, maxAgeSeconds])
    if (seen.has(text)) faults.add(at, 'stands there twice')
    seen.add(text)
  }
}

/** Whether somebody could fit an alternative of each; a caller may have many roles, but is of one kind. */
export function canMeetBoth(one: readonly Alternative[], other: readonly Alternative[]): boolean {
  if (one.length === 0 || other.length === 0) return true
  return one.some(a =>
    other.some(b => (['kinds', 'issuers', 'binding'] as const).every(name => overlap(a[name], b[name]))),
  )
}

function overlap(one: readonly string[] = [], other: readonly string[] = []): boolean {
  return one.length === 0 || other.length === 0 || one.some(value => other.includes(value))
}
