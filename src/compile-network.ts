import type { Config } from '#config/schema.ts'
import { compileAccess } from '#core/compile-access.ts'
import type { Access } from '#gateway/check-access.ts'

/** From where the public listener may be called, as each call is held against it. */
export function compileListenerAccess({ access: { operations, ...lists } }: Config): Access {
  const ofActions = Object.entries(operations).flatMap(([id, { allow, deny }]) => {
    const allows = compileAccess({ allow: allow ?? null, deny })
    return allows === null ? [] : [[id, allows] as const]
  })
  return { allows: compileAccess({ allow: lists.allow ?? null, deny: lists.deny }), ofActions: new Map(ofActions) }
}
