import { Problem } from '#core/problems.ts'
import type { Metadata } from '#store/ports.ts'

/** Throws `admin.invalid_input` for what a database could not give back as it was: halves of surrogate pairs. */
export function checkMetadata(metadata: Metadata): void {
  for (const [name, value] of Object.entries(metadata)) {
    if (!value.isWellFormed()) {
      throw new Problem('admin.invalid_input', { detail: `metadata: the value of ${name} is not well-formed Unicode.` })
    }
  }
}
