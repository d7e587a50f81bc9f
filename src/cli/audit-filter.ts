import type { EventFilter } from '#audit/filter.ts'
import { Problem } from '#core/problems.ts'
import { readTime } from './arguments.ts'

interface FilterValues {
  readonly from?: string | undefined
  readonly to?: readonly string[] | undefined
  readonly type?: string | undefined
  readonly key?: string | undefined
  readonly project?: string | undefined
  readonly outcome?: string | undefined
  readonly id?: string | undefined
}

/** Throws `cli.usage`. `--to` is a time or, where it begins with `tls://`, a destination. */
export function readFilter({ from, to = [], type, key, project, outcome, id }: FilterValues): EventFilter {
  const times = to.filter(text => !isDestination(text))
  if (times.length > 1) throw new Problem('cli.usage', { detail: '--to names more than one time.' })
  return { from: readTime('--from', from), to: readTime('--to', times[0]), type, key, project, outcome, id }
}

/** Where `--to` says that events go; undefined = standard output. */
export function readDestination(to: readonly string[] = []): URL | undefined {
  const [text, more] = to.filter(isDestination)
  if (text === undefined) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (more === undefined && url !== undefined && url.hostname !== '' && url.port !== '') return url
  throw new Problem('cli.usage', { detail: `--to ${text}: write tls://HOST:PORT, once.` })
}

function isDestination(text: string): boolean {
  return text.startsWith('tls://')
}
