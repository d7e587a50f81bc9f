import { existsSync, readFileSync } from 'node:fs'

export const LIST = 'test/mutations.md'

/** One thing taken away from the product, and the test that must turn red of it. */
export interface Mutation {
  readonly title: string
  readonly source: string
  readonly test: string
  /** Words of the names of the tests meant; undefined = all of the file. */
  readonly only: string | undefined
  readonly search: string
  readonly replacement: string
}

/** All that the list names. Throws what is not of its form. */
export function readMutations(): Mutation[] {
  return readFileSync(LIST, 'utf8')
    .split(/^### /m)
    .slice(1)
    .map(section => {
      const title = section.slice(0, section.indexOf('\n'))
      const [, source, test, only] = /^`([^`]+)` → `([^`]+)`(?: "([^"]+)")?$/m.exec(section) ?? []
      const lines = /^```diff\n(.*?)^```$/ms.exec(section)?.[1]?.split('\n') ?? []
      const search = sideOf(lines, '-')
      if (source === undefined || test === undefined || search === '') {
        throw new Error(`${title}: is not of the form that ${LIST} names.`)
      }
      return { title, source, test, only, search, replacement: sideOf(lines, '+') }
    })
}

function sideOf(lines: readonly string[], sign: '-' | '+'): string {
  return lines
    .filter(line => line.startsWith(sign))
    .map(line => line.slice(1))
    .join('\n')
}

/** Why a mutation cannot be applied; undefined = it can. */
export function findFault({ title, source, test, search }: Mutation): string | undefined {
  for (const file of [source, test]) if (!existsSync(file)) return `${title}: there is no ${file}`
  const found = readFileSync(source, 'utf8').split(search).length - 1
  return found === 1 ? undefined : `${title}: its text stands ${found} times in ${source}`
}
