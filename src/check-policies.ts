import { type Path, showPath } from '#config/faults.ts'
import type { LoadedConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { Problem } from '#core/problems.ts'
import { shippedRoles } from '#core/roles.ts'
import { namesUsed } from '#policy/cedar/idle-names.ts'
import { parsePolicies } from '#policy/cedar/parse-policies.ts'
import { showFault } from '#policy/cedar/policy.ts'
import { findEmptyGroups } from '#policy/cedar/validate-policies.ts'
import { findPolicyFaults, vocabularyOf } from './compile-policies.ts'

/** What is wrong with a member of the configuration. */
interface IdleMember {
  readonly path: Path
  readonly message: string
}

/** Throws `config.invalid` where a policy is none, or could never apply, and where a role or group of models is of no effect. */
export function checkPolicies({ config, pending }: Pick<LoadedConfig, 'config' | 'pending'>): void {
  const empty = findEmptyGroups(vocabularyOf(config)).map(({ group, pattern }) => ({
    path: ['policies', 'modelGroups', group],
    message: pattern === null ? 'names no model' : `${pattern} fits no model that is configured`,
  }))
  const shown = new Map(config.policySources.map(({ file, shown }) => [file, shown]))
  const own = findPolicyFaults(config).map(fault => showFault({ ...fault, file: shown.get(fault.file) ?? fault.file }))
  const idle = own.length === 0 ? findIdle(config) : []
  const say = ({ path, message }: IdleMember) => `${pending.faults.where(path)}: ${showPath(path)}: ${message}`
  const faults = [
    ...[...empty, ...findRepeated(config)].map(say),
    ...own,
    ...(own.length === 0 ? findHollow(config) : []),
    ...idle.map(say),
  ]
  if (faults.length > 0) throw new Problem('config.invalid', { detail: faults.join('\n') })
}

/** Shipped roles that are named as if they were the operator's own. */
function findRepeated({ policies }: Config): IdleMember[] {
  return policies.roles
    .filter(role => shippedRoles.some(shipped => shipped === role))
    .map(role => ({ path: ['policies', 'roles'], message: `"${role}" is a shipped role; leave it out` }))
}

/** Files that hold nothing. */
function findHollow({ policySources }: Config): string[] {
  const written = policySources.length === 0 ? [] : parsePolicies(policySources).policies
  const hollow = policySources.filter(({ file }) => !written.some(policy => policy.file === file))
  return hollow.map(({ shown }) => `${shown}: holds no policy`)
}

/** Roles and groups that are said, and of which nothing follows. */
function findIdle(config: Config): IdleMember[] {
  const { policies, issuers, services, access, policySources } = config
  const written = policySources.length === 0 ? [] : parsePolicies(policySources).policies
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
      .map(role => ({ path: ['issuers', name, 'grants'], message: nothing(role) })),
  )
  const groups = Object.keys(policies.modelGroups).filter(group => !used.groups.has(group))
  return [
    ...policies.roles.filter(isIdle).map(role => ({ path: ['policies', 'roles'], message: nothing(role) })),
    ...given,
    ...groups.map(group => ({ path: ['policies', 'modelGroups', group], message: 'no policy is about it' })),
  ]
}
