/** Different names of models that a worker counts apart for one project in one hour. */
const MAX_NAMES = 200
/** What is kept of a name. */
const MAX_LENGTH = 256
/** Hours told apart at once: calls that run long began in earlier ones. */
const MAX_HOURS = 4

/**
 * The names under which usage of models is counted. Where a pattern such as `*` lets callers choose names freely, they must
 * not make rows without end: beyond the bound all further ones of a project's hour are `*`.
 */
export class ModelNames {
  readonly #hours = new Map<number, Map<string, Set<string>>>()

  /** As every database takes it, or `*`. */
  take(hour: number, project: string, model: string): string {
    const names = this.#namesOf(hour, project)
    const name = storable(model)
    if (names.has(name)) return name
    if (names.size >= MAX_NAMES) return '*'
    names.add(name)
    return name
  }

  #namesOf(hour: number, project: string): Set<string> {
    const projects = this.#hours.get(hour) ?? this.#begin(hour)
    const found = projects.get(project)
    if (found !== undefined) return found
    const names = new Set<string>()
    projects.set(project, names)
    return names
  }

  #begin(hour: number): Map<string, Set<string>> {
    const projects = new Map<string, Set<string>>()
    this.#hours.set(hour, projects)
    if (this.#hours.size > MAX_HOURS) this.#hours.delete(Math.min(...this.#hours.keys()))
    return projects
  }
}

/** NUL and lone surrogates are replaced, as in events. */
function storable(name: string): string {
  const short = name.length > MAX_LENGTH ? name.slice(0, MAX_LENGTH) : name
  if (short.isWellFormed() && !short.includes('\0')) return short
  return short.toWellFormed().replaceAll('\0', '\ufffd')
}
