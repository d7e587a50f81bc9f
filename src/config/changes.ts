import { isObject } from './complete.ts'
import { type Path, showPath } from './faults.ts'
import type { LoadedConfig } from './load.ts'

type Loaded = Pick<LoadedConfig, 'config' | 'secrets'>

/** Members that are fixed when the process starts. */
const FIXED = [
  'listeners',
  'workers',
  'store',
  'keys',
  'audit',
  'admin',
  'requests',
  'counters',
  'usage',
  'overload',
  'dpop',
  'drainTimeoutMs',
  'log',
]

/**
 * What a reload changes, one line each: `providers.openai.timeoutMs: 600000 → 30000`, `models.fast: removed`.
 * Secrets show as their reference, and as `changed` where only the value behind it did. Of policies nothing.
 */
export function compareConfigs(before: Loaded, after: Loaded): string[] {
  return findChanges(before, after).map(({ path, what }) => `${showPath(path)}: ${what}`)
}

/** Those of the changes that a reload cannot apply. */
export function needsRestart(before: Loaded, after: Loaded): string[] {
  return findChanges(before, after)
    .filter(({ path, resealed }) => FIXED.includes(path[0] as string) && !resealed)
    .map(({ path, what }) => `${showPath(path)}: ${what}`)
}

interface Change {
  readonly path: Path
  readonly what: string
  /** The text is another `enc:`, the secret in it is the same. */
  readonly resealed?: boolean
}

function findChanges(before: Loaded, after: Loaded): Change[] {
  const secretsOf = ({ secrets }: Loaded, reference: string) =>
    secrets.references().includes(reference) ? secrets.get(reference).reveal() : undefined
  const isRotated = (reference: unknown) =>
    typeof reference === 'string' && secretsOf(before, reference) !== secretsOf(after, reference)
  const [old, anew] = [before, after].map(({ config: { policySources: _, ...members } }) => members)
  return compare(old, anew, [], isRotated).map(change => {
    const [was, is] = [before, after].map(({ config }) => findMember(config, change.path))
    if (!isSealed(was) || !isSealed(is) || was === is) return change
    const resealed = secretsOf(before, was) === secretsOf(after, is)
    return { path: change.path, what: resealed ? 'sealed anew' : 'the secret changed', resealed }
  })
}

function isSealed(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('enc:')
}

function findMember(config: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, name) => (isObject(at) ? own(at, name) : undefined), config)
}

function compare(before: unknown, after: unknown, path: Path, isRotated: (reference: unknown) => boolean): Change[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return names.flatMap(name => compare(own(before, name), own(after, name), [...path, name], isRotated))
  }
  if (JSON.stringify(before) !== JSON.stringify(after)) return [{ path, what: describe(before, after) }]
  return isRotated(after) ? [{ path, what: 'the secret changed' }] : []
}

function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function describe(before: unknown, after: unknown): string {
  if (before === undefined) return isObject(after) ? 'added' : `${JSON.stringify(after)} (new)`
  if (after === undefined) return 'removed'
  return `${JSON.stringify(before)} → ${JSON.stringify(after)}`
}
