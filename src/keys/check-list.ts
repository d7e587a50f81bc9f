import { Problem } from '#core/problems.ts'

/** Throws `admin.invalid_input` for an empty list, a value that stands twice and what `faultOf` finds. */
export function checkList(
  name: string,
  values: readonly string[] | null,
  faultOf: (text: string) => string | null,
  empty = 'allows nothing; leave it out, or disable the key',
): void {
  if (values === null) return
  if (values.length === 0) refuse(`${name}: an empty list ${empty}`)
  if (new Set(values).size !== values.length) refuse(`${name}: a value stands twice`)
  for (const value of values) {
    const fault = faultOf(value)
    if (fault !== null) refuse(`${name}: ${JSON.stringify(value)} ${fault}`)
  }
}

export function refuse(detail: string): never {
  throw new Problem('admin.invalid_input', { detail: `${detail}.` })
}
