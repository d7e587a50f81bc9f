import type { Config } from '#config/schema.ts'
import { Problem } from '#core/problems.ts'
import { shippedRoles } from '#core/roles.ts'
import { namesUsed } from '#policy/cedar/idle-names.ts'
import { parsePolicies } from '#policy/cedar/parse-policies.ts'
import { showFault } from '#policy/cedar/policy.ts'
import { findEmptyGroups } from '#policy/cedar/validate-policies.ts'
import { findPolicyFaults, vocabularyOf } from './compile-policies.ts'

/** Throws `config.invalid` where a policy is none, or could never apply, and where a role or group of models is of no effect. */
export function checkPolicies(config: Config): void {
  const empty = findEmptyGroups(vocabularyOf(config)).map(({ group, pattern }) =>
    pattern === null
      ? `policies.modelGroups.${group}: names no model`
      : `policies.modelGroups.${group}: ${pattern} fits no model that is configured`,
  )
  const own = findPolicyFaults(config).map(showFault)
  const faults = [...empty, ...findRepeated(config), ...own, ...(own.length === 0 ? findIdle(config) : [])]
  if (faults.length > 0) throw new Problem('config.invalid', { detail: faults.join('\n') })
}

/** Shipped roles that are named as if they were the operator's own. */
function findRepeated({ policies }: Config): string[] {
  return policies.roles
    .filter(role => shippedRoles.some(shipped => shipped === role))
    .map(role => `policies.roles: "${role}" is a shipped role; leave it out`)
}

/** Roles and groups that are said, and of which nothing follows; files that hold nothing. */
function findIdle(config: Config): string[] {
  const { policies, issuers, services, access, policySources } = config
  const written = policySources.length === 0 ? [] : parsePolicies(policySources).policies
  const hollow = policySources.filter(({ file }) => !written.some(policy => policy.file === file))
  const used = namesUsed(written)
  const asked = [
    ...Object.values(access.operations),
    ...Object.values(services).flatMap(service => [service, ...Object.values(service.operations)]),
  ].flatMap(({ require }) => require.flatMap(({ roles }) => roles))
  // A service that is told who calls may make of a role what it likes.
  const isTold = Object.values(services).some(({ identity }) => identity)
  const isIdle = (role: string) =>
    !isTold && !used.roles.has(role) && !asked.includes(role) && !shippedRoles.some(shipped => shipped === role)
  const nothing = (role: string) =>
    `no policy, requirement or service is about the role "${role}": who has it may do nothing`
  const given = Object.entries(issuers).flatMap(([name, { grants }]) =>
    [...new Set(grants.flatMap(({ roles }) => roles))]
      .filter(isIdle)
      .map(role => `issuers.${name}.grants: ${nothing(role)}`),
  )
  const groups = Object.keys(policies.modelGroups).filter(group => !used.groups.has(group))
  return [
    ...hollow.map(({ file }) => `policies/${file}: holds no policy`),
    ...policies.roles.filter(isIdle).map(role => `policies.roles: ${nothing(role)}`),
    ...given,
    ...groups.map(group => `policies.modelGroups.${group}: no policy is about it`),
  ]
}
