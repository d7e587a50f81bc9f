import { operationScopes } from '#core/operations.ts'
import { compilePathGlob, foldPath, segmentsOfGlob } from '#core/path-glob.ts'
import { usualOperations } from '#core/service-actions.ts'
import type { Faults, Path } from './faults.ts'
import { suggest } from './nearest.ts'
import type { Draft } from './rules.ts'
import { checkLists, listsOf } from './rules-network.ts'
import { canMeetBoth, checkRequire } from './rules-require.ts'

type ServiceDraft = NonNullable<NonNullable<Draft['services']>[string]>
type OperationDraft = NonNullable<NonNullable<ServiceDraft['operations']>[string]>

/** First segments of the gateway’s own paths, of now and of what providers may add. */
const OWN_PATHS = ['v1', 'v1beta', 'anthropic', 'ostiary', 'decide', '.well-known', 'leaked-keys', 'upload']

/** What the ids and scopes of the gateway’s own operations begin with: a service of this name could be taken for them. */
const OWN_NAMES = new Set([
  ...OWN_PATHS,
  ...Object.keys(operationScopes).map(id => id.slice(0, id.indexOf('.'))),
  ...Object.values(operationScopes).map(scope => scope.slice(0, scope.indexOf(':'))),
])

/** Headers of the message’s frame and of the hop, and those by which the gateway says who calls and from where. */
const UNFIT =
  /^(?:host|content-length|transfer-encoding|connection|upgrade|te|trailer|expect|keep-alive|proxy-.*|via|forwarded|x-forwarded-.*|x-real-ip|x-request-id|x-ostiary-.*|cookie)$/i

/** Refuses services that nobody could reach, that stand in another’s place, and operations that never apply. */
export function checkServices(draft: Draft, faults: Faults): void {
  const taken = new Map<string, string>()
  for (const [name, service] of Object.entries(draft.services ?? {})) {
    if (service === undefined) continue
    const path = ['services', name]
    if (OWN_NAMES.has(name)) faults.add(path, 'is a name of the gateway’s own; choose another')
    checkPlace(name, service, taken, path, faults)
    checkCredentials(service, draft, path, faults)
    checkUse(service, draft, path, faults)
    checkOperations(service, path, faults)
    checkAdmission(service, draft, path, faults)
  }
}

function checkPlace(name: string, service: ServiceDraft, taken: Map<string, string>, path: Path, faults: Faults): void {
  const { path: prefix, host } = service
  if (prefix === undefined && host === undefined) {
    faults.add(path, 'needs `path` or `host`: nothing else leads callers to it')
    return
  }
  const [, first = ''] = (prefix ?? '').split('/')
  if (host === undefined && OWN_PATHS.includes(first)) {
    faults.add([...path, 'path'], `must not begin with /${first}, where the gateway’s own paths are`)
  }
  const place = `${host ?? ''} ${prefix ?? ''}`
  const other = taken.get(place)
  if (other === undefined) taken.set(place, name)
  else faults.add(path, `is at the place of the service ${other}: its \`host\` and \`path\` are the same`)
}

function checkCredentials(service: ServiceDraft, draft: Draft, path: Path, faults: Faults): void {
  const { callerToken, credential, credentialHeader, credentialScheme } = service
  if (callerToken !== undefined) {
    const issuers = Object.keys(draft.issuers ?? {})
    if (!issuers.includes(callerToken)) {
      faults.add([...path, 'callerToken'], `there is no issuer of this name${suggest(callerToken, issuers)}`)
    }
    if (credential !== undefined) {
      faults.add([...path, 'credential'], 'must not be set: the caller’s token is sent instead')
    }
  }
  if (credentialHeader !== undefined && UNFIT.test(credentialHeader)) {
    faults.add([...path, 'credentialHeader'], 'is written by the gateway itself; choose another')
  }
  if (credential === undefined && credentialScheme !== undefined) {
    faults.add([...path, 'credentialScheme'], 'must not be set without `credential`')
  }
  if (credential === undefined && credentialHeader !== undefined && credentialHeader !== 'Authorization') {
    faults.add([...path, 'credentialHeader'], 'must not be set without `credential`')
  }
}

/** Who may use it from where, where its lists and requirements hold beside those of the listener. */
function checkAdmission(service: ServiceDraft, draft: Draft, path: Path, faults: Faults): void {
  if (faults.has(['access'])) return
  const general = listsOf(draft.access ?? {})
  checkRequire(draft, service.require, [...path, 'require'], faults)
  if (faults.has([...path, 'allow']) || faults.has([...path, 'deny'])) return
  checkLists(path, faults, listsOf(service), general)
  for (const [name, operation] of Object.entries(service.operations ?? {})) {
    const inside = [...path, 'operations', name]
    if (operation === undefined || faults.has(inside)) continue
    checkLists(inside, faults, listsOf(operation), listsOf(service), general)
    checkRequire(draft, operation.require, [...inside, 'require'], faults)
    if (!canMeetBoth(service.require ?? [], operation.require ?? [])) {
      faults.add(
        [...inside, 'require'],
        'can never be met beside that of the service: nobody fits an alternative of both',
      )
    }
  }
}

/** What is said of passing on where nothing is passed on. */
function checkUse(service: ServiceDraft, draft: Draft, path: Path, faults: Faults): void {
  if (service.path === undefined && service.stripPath === false) {
    faults.add([...path, 'stripPath'], 'must not be set without `path`')
  }
  if (service.url !== undefined) return
  if (Object.keys(draft.decide?.proxies ?? {}).length === 0) {
    faults.add(path, 'leads nowhere: it has no `url`, and `decide` names no proxy that asks about it')
  }
  for (const member of ['credential', 'callerToken'] as const) {
    if (service[member] !== undefined)
      faults.add([...path, member], 'must not be set without `url`: nothing is passed on')
  }
}

function checkOperations({ operations = {}, caseSensitive }: ServiceDraft, path: Path, faults: Faults): void {
  const earlier: [name: string, operation: OperationDraft][] = []
  for (const [name, operation] of Object.entries(operations)) {
    if (operation === undefined) continue
    const inside = [...path, 'operations', name]
    if (usualOperations.some(usual => usual === name)) {
      faults.add(inside, 'is what the gateway calls what no other operation fits; choose another name')
    }
    for (const member of ['methods', 'paths', 'scopes'] as const) {
      if (operation[member]?.length === 0) faults.add([...inside, member], 'must have an entry, or be left out')
    }
    for (const [index, glob] of (operation.paths ?? []).entries()) {
      const wrong = globFault(glob)
      if (wrong !== undefined) faults.add([...inside, 'paths', String(index)], wrong)
    }
    const covering = earlier.find(([, other]) => covers(other, operation, caseSensitive === true))
    if (covering !== undefined)
      faults.add(inside, `can never apply: ${covering[0]}, which comes before, fits all of it`)
    earlier.push([name, operation])
  }
}

/** A path that requests cannot have would never match. */
function globFault(glob: string): string | undefined {
  if (/[%?#;\\]/.test(glob)) return 'must not contain `%`, `?`, `#`, `;` or a backslash, which no path of a request has'
  if (/\/\.{1,2}(?:\/|$)/.test(glob)) return 'must not have a dot segment'
  if (/\*\*/.test(glob.replaceAll(/(?<=\/)\*\*(?=\/|$)/g, ''))) return 'must have `**` as a whole segment only'
  if (/\/\p{Z}|[.\p{Z}](?:\/|$)/u.test(glob)) {
    return 'must not have a segment that ends in a dot, or begins or ends with a space: no path of a request has'
  }
  if (glob !== glob.normalize('NFC')) return 'must be in Unicode normalization form C'
  return structureOf(glob) === structureOf(foldPath(glob))
    ? undefined
    : 'must not contain what normalizes to a separator, a dot or `*`'
}

function structureOf(text: string): string {
  return text.replaceAll(/[^/\\.%?#;*]/g, '')
}

/** Whether every request that fits the one fits the other, by the comparison that requests are put to. */
function covers(wide: OperationDraft, narrow: OperationDraft, caseSensitive: boolean): boolean {
  const methods = (operation: OperationDraft) => withHead(operation.methods)
  const [wider, narrower] = [methods(wide), methods(narrow)]
  if (wider !== null && (narrower === null || !narrower.every(method => wider.includes(method)))) return false
  if (wide.paths === undefined) return true
  const compared = (path: string) => (caseSensitive ? path : foldPath(path))
  const fits = wide.paths.map(path => compilePathGlob(compared(path)))
  return narrow.paths?.every(path => fits.some(fit => fit(segmentsOfGlob(compared(path))))) === true
}

function withHead(methods: readonly string[] | undefined): readonly string[] | null {
  if (methods === undefined) return null
  return methods.includes('GET') ? [...methods, 'HEAD'] : methods
}
