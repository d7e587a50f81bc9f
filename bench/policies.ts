import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { modelActions } from '#core/action.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { shippedRoles } from '#core/roles.ts'
import { createEngine } from '#policy/cedar/engine.ts'
import { parsePolicies } from '#policy/cedar/parse-policies.ts'
import { shippedPolicies } from '#policy/cedar/shipped-policies.ts'
import type { CallContext } from '#policy/decision.ts'
import { chatBody } from './bodies.ts'
import { type Contender, type Duration, measureSideBySide, median, type Row, warmUp } from './measure.ts'
import { type OstiaryOptions, startOstiary } from './ostiary.ts'
import { freePort, measuredCore, scratch } from './processes.ts'

export const policyCalls = {
  load: '2 KB, policies',
  without: 'no policies',
  cached: 'shipped policies',
  uncached: 'a policy about address and time',
} as const

/** Reads what changes from call to call, so that it is asked at each. */
const VOLATILE = `@id("night") forbid (principal, action, resource)
when { context.ip.isInRange(ip("192.0.2.0/24")) && context.time.toTime() < duration("6h") };`

/** Calls that no policy decides, that remembered decisions do, and that a question to Cedar does at each; all else equal. */
export async function measurePolicyCalls(upstreamPort: number, duration: Duration): Promise<Row[]> {
  const start = async (name: string, options: Pick<OstiaryOptions, 'config' | 'nodeOptions'>): Promise<Contender> => {
    const port = await freePort()
    const gateway = await startOstiary({ cores: measuredCore, workers: 1, port, upstreamPort, ...options })
    const { server, url, headers } = gateway
    return { name, server, load: { url, headers, body: chatBody(2) }, expectedStatus: 200 }
  }
  const models = { bench: { provider: 'upstream' } }
  const directory = mkdtempSync(join(scratch, 'policies-'))
  writeFileSync(join(directory, 'own.cedar'), VOLATILE)
  const preload = pathToFileURL(join(import.meta.dirname, 'without-policies.mjs')).href
  const contenders = [
    await start(policyCalls.without, { nodeOptions: ['--import', preload] }),
    await start(policyCalls.cached, {}),
    await start(policyCalls.uncached, { config: { models, policies: { directory } } }),
  ]
  await warmUp(contenders, duration)
  const rows = await measureSideBySide(policyCalls.load, contenders, duration)
  for (const { server } of contenders) await server.stop()
  return rows
}

/** CPU time that a decision takes, µs, one after the other. */
export interface PolicyFigures {
  readonly cached: number
  /** Of a caller who was not seen before, by the shipped policies. */
  readonly first: number
  /** Of one who was, by a policy about address and time. */
  readonly uncached: number
}

const ROUNDS = 15

export function measureDecisions(): PolicyFigures {
  const [action] = modelActions
  if (action === undefined) throw new Error('there is no action')
  const vocabulary = {
    roles: shippedRoles,
    actions: modelActions.filter(({ group }) => group === 'models.call'),
    modelGroups: {},
    models: ['bench'],
    providers: ['upstream'],
    services: [],
    issuers: [],
  }
  const { policies } = parsePolicies([{ file: 'own.cedar', text: VOLATILE }])
  using shipped = createEngine(shippedPolicies(), vocabulary)
  using changing = createEngine([...shippedPolicies(), ...policies], vocabulary)
  const resource = { kind: 'model', id: 'bench', provider: 'upstream', test: true } as const
  const context: CallContext = { address: '192.0.2.7', at: Date.parse('2026-03-02T12:00:00Z'), features: () => [] }
  const time = (times: number, decide: () => unknown) => {
    for (let n = 0; n < times; n++) decide()
    const rounds = Array.from({ length: ROUNDS }, () => {
      const before = process.threadCpuUsage()
      for (let n = 0; n < times; n++) decide()
      const { user, system } = process.threadCpuUsage(before)
      return (user + system) / times
    })
    return median(rounds)
  }
  return {
    cached: time(100_000, () => shipped.decide(caller, action, resource, context)),
    first: time(1000, () => shipped.decide({ ...caller }, action, resource, context)),
    uncached: time(1000, () => changing.decide(caller, action, resource, context)),
  }
}

const caller: VerifiedIdentity = Object.freeze({
  kind: 'api_key',
  id: 'key_01jbench',
  project: 'proj_default',
  environment: 'test',
  expiresAt: null,
  ceilings: { scopes: null, operations: null, allowsModel: null, allowsAddress: null },
  limits: null,
  budgets: null,
  roles: [],
  tags: {},
  binding: null,
  token: null,
})
