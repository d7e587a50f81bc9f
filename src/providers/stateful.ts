import { Problem } from '#core/problems.ts'
import type { WireFormat } from './wire-format.ts'

/**
 * Refuses a body that names an object in the provider's account (files, stored responses, conversations, cached
 * contents, containers): tenants share that account, so one could read another's. Throws `route.stateful_operation`.
 */
export function refuseStateful(format: WireFormat, body: object): void {
  for (const [name, value] of Object.entries(body)) {
    if (format.topLevelReferences.has(name) && isSet(value)) refuse(name)
  }
  walk(format, body)
}

function walk(format: WireFormat, value: object): void {
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) walk(format, item)
    return
  }
  if (format.refersById?.(value as Record<string, unknown>)) refuse('an object named by its id alone')
  for (const name in value) {
    const item = (value as Record<string, unknown>)[name]
    if (format.references.has(name) && isSet(item) && !format.isPublic?.(name, item)) refuse(name)
    if (typeof item === 'object') {
      if (item !== null && !format.opaque.has(name)) walk(format, item)
    } else if (name === 'type' && format.references.has(item as string)) refuse(item as string)
    else if (name === 'container' && typeof item === 'string') refuse(name)
  }
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
}

function refuse(member: string): never {
  throw new Problem('route.stateful_operation', {
    detail: `The body names an object of the provider’s account (${member}).`,
  })
}
