import type { AdmittedEvent, CallEvent, ChangeEvent, GatewayEvent, OstiaryEvent, RefusalsEvent } from '#core/events.ts'

const VERSION = '1.3.0'
const severity = { info: 1, low: 2, medium: 3, high: 4 } as const
const status = { unknown: 0, success: 1, failure: 2 } as const
/** Of API Activity and Entity Management alike. */
const activity = { create: 1, read: 2, update: 3, delete: 4, other: 99 } as const

type Fields = Readonly<Record<string, unknown>>

/**
 * The event in the Open Cybersecurity Schema Framework (schema.ocsf.io): a call is API Activity (6003), one refused for
 * want of rights and an admitted one Authorize Session (3003), refusals of nobody known Authentication (3002) where the
 * credential was the matter, a change Entity Management (3004), a leaked key a Detection Finding (2004).
 */
export function ocsfRecord(event: OstiaryEvent, productVersion: string): Fields {
  const { class: uid, activity: did, severity: level, fields } = translate(event)
  return {
    class_uid: uid,
    category_uid: Math.floor(uid / 1000),
    activity_id: did,
    type_uid: uid * 100 + did,
    severity_id: level,
    time: event.at,
    metadata: {
      version: VERSION,
      uid: event.id,
      original_time: new Date(event.at).toISOString(),
      log_name: event.type,
      product: { name: 'Ostiary', vendor_name: 'Ostiary', version: productVersion },
    },
    ...fields,
    // What has no place in the schema stays what it is.
    unmapped: event,
  }
}

interface Translation {
  readonly class: 2004 | 3002 | 3003 | 3004 | 6003
  readonly activity: number
  readonly severity: number
  readonly fields: Fields
}

function translate(event: OstiaryEvent): Translation {
  switch (event.type) {
    case 'call':
      return event.problem?.startsWith('policy.') ? unauthorized(event) : apiActivity(event)
    case 'admitted':
      return admitted(event)
    case 'refusals':
      return refusals(event)
    case 'key.leak_reported':
      return leak(event)
    default:
      return 'subject' in event ? change(event) : gateway(event)
  }
}

function apiActivity(event: CallEvent): Translation {
  const failed = event.problem !== null
  return {
    class: 6003,
    // A call to a model makes an answer; a list of them is read.
    activity: ofMethod[event.method] ?? activity.create,
    severity: failed ? severity.low : severity.info,
    fields: {
      ...outcomeOf(event.problem, event.reason),
      ...callerOf(event),
      duration: Math.round(event.durationMs),
      http_response: { code: event.status, length: event.bytesOut },
      resources: resourcesOf(event),
    },
  }
}

const ofMethod: Readonly<Record<string, number>> = {
  GET: activity.read,
  HEAD: activity.read,
  OPTIONS: activity.read,
  QUERY: activity.read,
  PUT: activity.update,
  PATCH: activity.update,
  DELETE: activity.delete,
}

function resourcesOf({ target, service }: CallEvent): readonly Fields[] {
  if (service !== undefined) return [{ name: service.name, type: 'service' }]
  return target === null ? [] : [{ name: target.model, type: 'model', group: { name: target.provider } }]
}

function unauthorized(event: CallEvent): Translation {
  return {
    class: 3003,
    activity: 99,
    severity: severity.medium,
    fields: {
      ...outcomeOf(event.problem, event.reason),
      ...callerOf(event),
      activity_name: 'Refused',
      user: userOf(event.credential),
      privileges: [event.route ?? event.path],
    },
  }
}

function admitted(event: AdmittedEvent): Translation {
  return {
    class: 3003,
    activity: 1, // assign privileges
    severity: severity.info,
    fields: {
      ...outcomeOf(null, null),
      ...callerOf(event),
      user: userOf(event.credential),
      privileges: [event.route ?? event.path],
    },
  }
}

function refusals(event: RefusalsEvent): Translation {
  const common = {
    ...outcomeOf(event.problem, event.reason),
    count: event.count,
    start_time: event.at,
    end_time: event.lastAt,
    src_endpoint: endpoint(event.source),
  }
  if (event.problem.startsWith('auth.')) {
    const service = { name: 'ostiary' }
    const fields = { ...common, user: userOf(event.credential), service, is_remote: true }
    return { class: 3002, activity: 1, severity: severity.low, fields } // log-on
  }
  const api = { operation: event.route ?? 'unknown', service: { name: 'ostiary' } }
  const fields = { ...common, api, actor: { user: userOf(event.credential) } }
  return { class: 6003, activity: activity.other, severity: severity.low, fields }
}

function change(event: ChangeEvent): Translation {
  return {
    class: 3004,
    activity: activityOf(event.type),
    severity: severity.info,
    fields: {
      ...outcomeOf(null, null),
      actor: { user: { uid: event.actor, type_id: 2 } },
      entity: { uid: event.subject, type: event.type.split('.')[0], ...(event.detail && { data: event.detail }) },
      ...(event.source !== null && { src_endpoint: endpoint(event.source) }),
    },
  }
}

function activityOf(type: ChangeEvent['type']): number {
  const verb = type.slice(type.indexOf('.') + 1)
  if (verb === 'created' || verb === 'set') return activity.create
  if (verb === 'deleted' || verb === 'revoked' || verb === 'pruned') return activity.delete
  if (verb === 'enabled') return 8
  if (verb === 'disabled') return 9
  return verb === 'exported' ? activity.read : activity.update
}

function leak(event: ChangeEvent): Translation {
  const title = 'An API key was reported as leaked'
  return {
    class: 2004,
    activity: activity.create,
    severity: severity.high,
    fields: {
      status_id: 1, // new
      finding_info: { uid: event.id, title, created_time: event.at, types: [event.type] },
      resources: [{ uid: event.subject, type: 'key' }],
      actor: { user: { uid: event.actor, type_id: 2 } },
    },
  }
}

function gateway(event: GatewayEvent): Translation {
  const refused = event.type === 'config.reload_refused'
  return {
    class: 3004,
    activity: event.type === 'config.reloaded' || refused ? activity.update : activity.other,
    severity: refused || event.type === 'worker.replaced' ? severity.medium : severity.info,
    fields: {
      ...outcomeOf(refused ? 'config.invalid' : null, event.detail),
      activity_name: event.type,
      entity: { uid: 'gateway', type: 'gateway', version: String(event.configGeneration) },
    },
  }
}

function callerOf(event: CallEvent | AdmittedEvent): Fields {
  return {
    actor: { user: userOf(event.credential), ...authorizationsOf(event) },
    api: { operation: event.route ?? 'unknown', request: { uid: event.id }, service: { name: 'ostiary' } },
    src_endpoint: endpoint(event.source),
    http_request: { http_method: event.method, url: { path: event.path } },
  }
}

/** What the policies said, if it was not the usual. */
function authorizationsOf(event: CallEvent | AdmittedEvent): Fields {
  const policies = 'policies' in event ? (event.policies ?? []) : []
  if (policies.length === 0) return {}
  const decision = 'problem' in event && event.problem === 'policy.denied' ? 'Denied' : 'Allowed'
  return { authorizations: policies.map(uid => ({ decision, policy: { uid } })) }
}

function outcomeOf(problem: string | null, reason: string | null): Fields {
  if (problem === null) return { status_id: status.success, ...(reason !== null && { status_detail: reason }) }
  return { status_id: status.failure, status_code: problem, ...(reason !== null && { status_detail: reason }) }
}

/** A service's credential; nobody known has none. */
function userOf(credential: string | null): Fields {
  return credential === null ? { name: 'unknown', type_id: 0 } : { uid: credential, type_id: 4 }
}

/** Of refusals beyond the bound, `*`; a whole network of IPv6 otherwise. */
function endpoint(source: string): Fields {
  return source === '*' ? { name: 'many' } : { ip: source.replace(/\/64$/, '') }
}
