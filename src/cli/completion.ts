import { Problem } from '#core/problems.ts'
import { parse } from './arguments.ts'
import type { CommandDescription, CommandEntry, Io, Option } from './command.ts'
import { commandTable } from './command-table.ts'

const shells = { bash, zsh, fish } as const

/** `ostiary completion SHELL`: a script made from the table of commands. */
export async function completionCommand(args: string[], io: Io): Promise<number> {
  const [shell = '', ...more] = parse(args, {}, true).positionals
  if (!Object.hasOwn(shells, shell) || more.length > 0) {
    throw new Problem('cli.usage', { detail: `Name one shell: ${Object.keys(shells).join(', ')}.` })
  }
  io.stdout.write(shells[shell as keyof typeof shells](listPlaces()))
  return 0
}

interface Word {
  readonly text: string
  readonly description: string
}

/** What may follow certain words: `keys` → `create` …, `keys create` → `--name` …, `keys create --env` → `live` … */
interface Place {
  readonly after: string
  readonly words: readonly Word[]
}

function listPlaces(): Place[] {
  const table: readonly (readonly [string, CommandEntry])[] = Object.entries(commandTable)
  const places: Place[] = [{ after: '', words: table.map(([text, { summary }]) => ({ text, description: summary })) }]
  for (const [name, entry] of table) {
    if (entry.commands === undefined) {
      places.push(...placesOf(name, entry))
      continue
    }
    const inner = Object.entries(entry.commands)
    places.push({ after: name, words: inner.map(([text, { summary }]) => ({ text, description: summary })) })
    for (const [command, description] of inner) places.push(...placesOf(`${name} ${command}`, description))
  }
  return places
}

function placesOf(after: string, { operands, options = {} }: CommandDescription): Place[] {
  const named = Object.entries(options).map(([name, option]) => ({
    text: `--${name}`,
    description: option.description,
  }))
  const help = { text: '--help', description: 'explain the command' }
  const values = Object.entries(options).flatMap(([name, option]) => {
    const words = choicesOf(option)
    return words.length === 0 ? [] : [{ after: `${after} --${name}`, words }]
  })
  return [{ after, words: [...splitWords(operands ?? ''), ...named, help] }, ...values]
}

function choicesOf({ value = '' }: Option): Word[] {
  return splitWords(value)
}

/** `live|test` is a list of words; `NAME`, `30d|never` and `ID,…` are not, or not only. */
function splitWords(text: string): Word[] {
  return /^[a-z]+(?:\|[a-z]+)+$/.test(text) ? text.split('|').map(word => ({ text: word, description: '' })) : []
}

function groups(): string[] {
  return Object.entries<CommandEntry>(commandTable).flatMap(([name, { commands }]) =>
    commands === undefined ? [] : [name],
  )
}

function bash(places: readonly Place[]): string {
  return `# ostiary completion bash
_ostiary() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" after='' words=''
  if (( COMP_CWORD > 1 )); then after="\${COMP_WORDS[1]}"; fi
  if (( COMP_CWORD > 2 )); then
    case "$after" in ${groups().join('|')}) after="$after \${COMP_WORDS[2]}" ;; esac
  fi
  case "$previous" in --*) words="$(_ostiary_words "$after $previous")" ;; esac
  if [ -z "$words" ]; then words="$(_ostiary_words "$after")"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
_ostiary_words() {
${caseOf(places)}
}
complete -o default -F _ostiary ostiary
`
}

function zsh(places: readonly Place[]): string {
  return `#compdef ostiary
_ostiary() {
  local previous="\${words[CURRENT-1]}" after='' found=''
  if (( CURRENT > 2 )); then after="\${words[2]}"; fi
  if (( CURRENT > 3 )); then
    case "$after" in ${groups().join('|')}) after="$after \${words[3]}" ;; esac
  fi
  case "$previous" in --*) found="$(_ostiary_words "$after $previous")" ;; esac
  if [ -z "$found" ]; then found="$(_ostiary_words "$after")"; fi
  compadd -- \${=found}
}
_ostiary_words() {
${caseOf(places)}
}
compdef _ostiary ostiary
`
}

function caseOf(places: readonly Place[]): string {
  const lines = places.map(({ after, words }) => `    '${after}') echo '${words.map(({ text }) => text).join(' ')}' ;;`)
  return `  case "$1" in\n${lines.join('\n')}\n  esac`
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ after, words }) =>
    words.map(({ text, description }) => {
      const shown = description === '' ? '' : ` -d '${description.replaceAll("'", "\\'")}'`
      return `complete -c ostiary -n '__ostiary_after "${after}"' -a '${text}'${shown}`
    }),
  )
  return `# ostiary completion fish
function __ostiary_after
  set -l words (commandline -opc)
  set -e words[1]
  set -l after "$words[1]"
  if contains -- "$after" ${groups().join(' ')}
    set after (string trim -- "$after $words[2]")
  end
  if string match -q -- '--*' "$words[-1]"
    set -l valued "$after $words[-1]"
    test "$valued" = "$argv[1]"; and return 0
  end
  test "$after" = "$argv[1]"
end
complete -c ostiary -f
${lines.join('\n')}
`
}
