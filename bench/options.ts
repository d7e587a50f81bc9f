import { parseArgs } from 'node:util'

const usage = `Usage: npm run bench -- [options]
  --seconds N   length of one measured run (8)
  --rounds N    runs of each peer for each body, interleaved (3)
  --soak N      minutes of load under which memory is watched (2; 0 = none)
  --quick       1 round of 2 s and a soak of 15 s, to see that everything works
  --peers A,B   only these peers, without floods, soak and start-up
  --only A,B    only these parts: calls, floods, stored-keys, bounded, tokens, proofs, policies, flood-latency, token-flood,
                soak, limits, audit, recording, start-up, minting
Without --quick, --peers and --only the figures are written to bench/results.md.`

export interface Options {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly rounds: number
  readonly soakMinutes: number
  /** undefined = all. */
  readonly peers: readonly string[] | undefined
  /** Parts; undefined = all. */
  readonly only: readonly string[] | undefined
  /** Whether the figures are good enough to be kept. */
  readonly recorded: boolean
}

export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      soak: { type: 'string' },
      quick: { type: 'boolean', default: false },
      peers: { type: 'string' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const { quick } = values
  return {
    seconds: number('seconds', values.seconds ?? (quick ? '2' : '8')),
    warmUpSeconds: quick ? 1 : 3,
    rounds: number('rounds', values.rounds ?? (quick ? '1' : '3')),
    soakMinutes: number('soak', values.soak ?? (quick ? '0.25' : '2')),
    peers: values.peers?.split(','),
    only: values.only?.split(','),
    recorded: !quick && values.peers === undefined && values.only === undefined,
  }
}

function number(name: string, text: string): number {
  const value = Number(text)
  if (text !== '' && value >= 0) return value
  console.error(`--${name} takes a number, not "${text}".\n${usage}`)
  process.exit(2)
}
