import { chatBody } from './bodies.ts'
import { type Contender, type Duration, measureSideBySide, type Row, warmUp } from './measure.ts'
import { startOstiary } from './ostiary.ts'
import { freePort, measuredCore } from './processes.ts'

export const boundedCalls = { load: '2 KB, bounded', none: 'no limits', all: 'all limits and a budget' } as const

const PLENTY = { amount: 1_000_000_000, windowSeconds: 60 }

const MODEL = { provider: 'upstream', price: { input: 0.01, output: 0.01 } }

/** One limit of every unit, by every dimension, and a budget in money; none of them ever refuses. */
export const BOUNDS = {
  models: { bench: MODEL },
  limits: {
    'key-requests': { unit: 'requests', per: ['key'], ...PLENTY },
    'project-requests': { unit: 'requests', per: ['project'], ...PLENTY },
    'address-requests': { unit: 'requests', per: ['ip'], ...PLENTY },
    'endpoint-requests': { unit: 'requests', per: ['operation'], ...PLENTY },
    'all-requests': { unit: 'requests', per: [], ...PLENTY },
    'day-requests': { unit: 'requests', per: ['key'], amount: 1_000_000_000_000, windowSeconds: 86_400 },
    'model-tokens': { unit: 'tokens', per: ['model'], ...PLENTY },
    'key-input': { unit: 'input_tokens', per: ['key'], ...PLENTY },
    'key-output': { unit: 'output_tokens', per: ['key'], ...PLENTY },
    'at-once': { unit: 'concurrency', per: ['project'], amount: 10_000 },
  },
  budgets: { money: { unit: 'usd', amount: 1_000_000, period: 'month', per: ['project'] } },
} as const

/** Calls under no limit beside calls under ten and a budget, all else equal. */
export async function measureBoundedCalls(upstreamPort: number, duration: Duration): Promise<Row[]> {
  const start = async (name: string, config: object): Promise<Contender> => {
    const port = await freePort()
    const { server, url, headers } = await startOstiary({
      cores: measuredCore,
      workers: 1,
      port,
      upstreamPort,
      config,
    })
    return { name, server, load: { url, headers, body: chatBody(2) }, expectedStatus: 200 }
  }
  const contenders = [await start(boundedCalls.none, { models: BOUNDS.models }), await start(boundedCalls.all, BOUNDS)]
  await warmUp(contenders, duration)
  const rows = await measureSideBySide(boundedCalls.load, contenders, duration)
  for (const { server } of contenders) await server.stop()
  return rows
}
