/** How, and how recently, people must have proved who they are to their issuer. */
export interface AuthenticationRequirement {
  /** Authentication context classes (`acr`) of which one is asked for; none = any. */
  readonly acrValues: readonly string[]
  /** Since `auth_time`, in seconds; null = any time. */
  readonly maxAgeSeconds: number | null
}

/** The parameters of the challenge that asks for a better login (RFC 9470 §3). */
export function stepUpChallenge({ acrValues, maxAgeSeconds }: AuthenticationRequirement): string {
  const parameters = [
    'error="insufficient_user_authentication"',
    'error_description="A stronger or more recent authentication is required"',
  ]
  if (acrValues.length > 0) parameters.push(`acr_values="${acrValues.join(' ')}"`)
  if (maxAgeSeconds !== null) parameters.push(`max_age="${maxAgeSeconds}"`)
  return parameters.join(', ')
}

/** `a login of the class gold`, `a login within 600 seconds`: what is asked for, all of it. */
export function describeLogin({ acrValues, maxAgeSeconds }: AuthenticationRequirement): string[] {
  return [
    ...(acrValues.length > 0 ? [`a login of the class ${acrValues.join(' or ')}`] : []),
    ...(maxAgeSeconds !== null ? [`a login within ${maxAgeSeconds} seconds`] : []),
  ]
}

/** What is wrong with a login for a requirement; null = it will do. `now` and `authenticatedAt` in ms since the epoch. */
export function loginFault(
  { acrValues, maxAgeSeconds }: AuthenticationRequirement,
  login: { readonly acr: string | null; readonly authenticatedAt: number | null },
  now: number,
): 'authentication_too_weak' | 'authentication_too_old' | null {
  const { acr, authenticatedAt } = login
  if (acrValues.length > 0 && (acr === null || !acrValues.includes(acr))) return 'authentication_too_weak'
  if (maxAgeSeconds === null) return null
  const isRecent = authenticatedAt !== null && now - authenticatedAt <= maxAgeSeconds * 1000
  return isRecent ? null : 'authentication_too_old'
}
