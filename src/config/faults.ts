import { Problem, type ProblemCode } from '#core/problems.ts'

/** Names of members from the top; positions in a list are decimal. */
export type Path = readonly string[]

interface Fault {
  readonly path: Path
  /** Never quotes a value: it could be a secret in the wrong place. */
  readonly message: string
  /** Set where the fault is in the text itself, not in a member. */
  readonly place?: Place
}

/** Where a part of the configuration was written: a position in the file, or a variable. */
export type Place = { readonly line: number; readonly column: number } | { readonly variable: string }

const MAX_SHOWN = 50

/** Gathers everything that is wrong, so that one run names all of it. */
export class Faults {
  readonly #faults: Fault[] = []
  readonly #places: Map<string, Place>
  readonly #file: string

  /** `file` as it shall be shown. */
  constructor(file: string, places = new Map<string, Place>()) {
    this.#file = file
    this.#places = places
  }

  /** The same file and places, with nothing wrong yet. */
  anew(): Faults {
    return new Faults(this.#file, this.#places)
  }

  add(path: Path, message: string): void {
    this.#faults.push({ path, message })
  }

  addAt(place: Place, message: string): void {
    this.#faults.push({ path: [], message, place })
  }

  /** Whether anything is known to be wrong with a member or in it. */
  has(path: Path): boolean {
    return this.#faults.some(fault => path.every((name, i) => fault.path[i] === name))
  }

  setPlace(path: Path, place: Place): void {
    this.#places.set(key(path), place)
  }

  /** Throws the problem with all that is wrong in its detail. */
  throwIfAny(code: ProblemCode = 'config.invalid'): void {
    if (this.#faults.length === 0) return
    const lines = this.#faults
      .map(fault => ({ fault, place: fault.place ?? this.#findPlace(fault.path) }))
      .sort((a, b) => order(a.place) - order(b.place))
      .map(({ fault, place }) => this.#show(fault, place))
    const shown = lines.slice(0, MAX_SHOWN)
    if (lines.length > MAX_SHOWN) shown.push(`and ${lines.length - MAX_SHOWN} more`)
    throw new Problem(code, { detail: shown.join('\n') })
  }

  /** Where a member stands, as `file:line:column`. */
  where(path: Path): string {
    return this.#where(this.#findPlace(path))
  }

  /** A member that is absent stands where the one around it stands. */
  #findPlace(path: Path): Place | undefined {
    for (let length = path.length; length >= 0; length--) {
      const place = this.#places.get(key(path.slice(0, length)))
      if (place !== undefined) return place
    }
    return undefined
  }

  #where(place: Place | undefined): string {
    if (place === undefined) return this.#file
    return 'variable' in place ? place.variable : `${this.#file}:${place.line}:${place.column}`
  }

  #show(fault: Fault, place: Place | undefined): string {
    const where = this.#where(place)
    return fault.path.length === 0
      ? `${where}: ${fault.message}`
      : `${where}: ${showPath(fault.path)}: ${fault.message}`
  }
}

/** `models["gpt-4.1"].provider` */
export function showPath(path: Path): string {
  return path
    .map((name, i) => {
      if (/^[A-Za-z][\w-]*$/.test(name)) return i === 0 ? name : `.${name}`
      return /^\d+$/.test(name) ? `[${name}]` : `[${JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)}]`
    })
    .join('')
}

function key(path: Path): string {
  return JSON.stringify(path)
}

function order(place: Place | undefined): number {
  if (place === undefined) return 0
  return 'variable' in place ? Number.MAX_SAFE_INTEGER : place.line * 1e7 + place.column
}
