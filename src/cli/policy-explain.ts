import { compileIssuers } from '#compile-issuers.ts'
import { type Asked, compileQuestion } from '#compile-question.ts'
import type { VerifiedIdentity } from '#core/principal.ts'
import { Problem } from '#core/problems.ts'
import { type DescribedCaller, describeCaller } from '#describe-caller.ts'
import { makeIdentity } from '#issuers/make-identity.ts'
import { readToken } from '#issuers/read-token.ts'
import type { OpenPolicies } from '#open-policies.ts'
import { compileCeilings } from '#policy/compile-ceilings.ts'
import { explain, type Question } from '#policy/explain.ts'
import { type ExplanationView, viewExplanation } from '#policy/view-explanation.ts'
import { callOperation } from './admin-client.ts'
import { parse, readTime } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { type ConfiguredPolicies, loadPolicies } from './configured-policies.ts'
import { explainRequest, renderRequest } from './explain-request.ts'
import { renderExplanation } from './render-explanation.ts'
import { readSecretInput } from './secret-input.ts'

const { options } = commandTable.policy.commands.explain
const readOptions = (args: string[]) => parse(args, options).values
type Values = ReturnType<typeof readOptions>

/** `ostiary policy explain`. Resolves to 0 whatever the answer is: it was explained. */
export async function policyExplain(args: string[], io: Io): Promise<number> {
  const values = readOptions(args)
  const { request, key, principal } = values
  const ways = [request, key, values['token-from-stdin'], principal].filter(way => way !== undefined)
  if (ways.length !== 1) throw usage('Say who asks in one way: --request, --key, --token-from-stdin or --principal.')
  if (principal === undefined) refuse(values, DESCRIBING, 'goes with --principal alone')
  if (request !== undefined) {
    refuse(values, Object.keys(OPTIONS) as (keyof Values)[], 'stands in the record of the request')
    const explained = await explainRequest(request, loadPolicies(io, values), io)
    io.stdout.write(values.json ? `${JSON.stringify(explained, null, 2)}\n` : renderRequest(explained))
    return 0
  }
  const view = values.key === undefined ? await explainHere(values, io) : await explainKey(values.key, values, io)
  io.stdout.write(values.json ? `${JSON.stringify(view, null, 2)}\n` : renderExplanation(view))
  return 0
}

const DESCRIBING = [
  ...['project', 'environment', 'role', 'scopes', 'models', 'operations', 'cidr', 'tag', 'id'],
  ...['issuer', 'client', 'acr', 'authenticated-ago', 'binding'],
] as (keyof Values)[]

/** What is asked about a question, by option. */
const OPTIONS = {
  action: 'action',
  model: 'model',
  ip: 'ip',
  time: 'at',
  feature: 'features',
  method: 'method',
  path: 'path',
} as const satisfies Readonly<Record<string, keyof Asked>>

/** What a key, a token or a record says of itself, no option changes. */
function refuse(values: Values, options: readonly (keyof Values)[], why: string): void {
  for (const option of options) {
    if (values[option] !== undefined) throw usage(`--${option} ${why}.`)
  }
}

/** Under the policies that the running gateway has. */
async function explainKey(key: string, values: Values, io: Io): Promise<ExplanationView> {
  if (values.config !== undefined || values.policies !== undefined) {
    throw usage('--key asks the running gateway, which has its own policies: leave --config and --policies out.')
  }
  const { action, model, feature, time } = values
  const at = readTime('--time', time)
  return callOperation(io, 'policyExplain', {
    body: {
      key,
      action: needed(action),
      ...(model !== undefined && { model }),
      ...(values.ip !== undefined && { ip: values.ip }),
      ...(at !== undefined && { time: new Date(at).toISOString() }),
      ...(feature !== undefined && { features: feature }),
      ...(values.method !== undefined && { method: values.method }),
      ...(values.path !== undefined && { path: values.path }),
    },
  })
}

async function explainHere(values: Values, io: Io): Promise<ExplanationView> {
  const configured = loadPolicies(io, values)
  const { open } = configured
  const at = readTime('--time', values.time) ?? Date.now()
  const caller =
    values.principal === undefined
      ? callerOfToken(await readSecretInput(io).then(secret => secret.reveal()), configured)
      : describeCaller(describedBy(values), open.vocabulary, at, (member, message) => {
          throw usage(`--principal: ${member} ${message}.`)
        })
  const question = questionOf(caller, values, at, open)
  return viewExplanation(question, explain(question, open.policies, open.vocabulary), null)
}

function questionOf(principal: VerifiedIdentity, values: Values, at: number, open: OpenPolicies): Question {
  const { model, ip = '127.0.0.1', feature: features = [], method, path } = values
  const asked = { action: needed(values.action), model, ip, at, features, method, path }
  const question = compileQuestion(principal, asked, open, (member, message) => {
    throw usage(`--${optionOf(member)}: ${message}.`)
  })
  if (question === null) throw new TypeError('What is refused was thrown')
  return question
}

function optionOf(member: keyof Asked): string {
  return Object.entries(OPTIONS).find(([, asked]) => asked === member)?.[0] ?? member
}

/** Who the token is about and what the rules of its issuer give them, if it is accepted: nothing of it is verified here. */
function callerOfToken(text: string, { config }: ConfiguredPolicies): VerifiedIdentity {
  const token = readToken(text)
  if (typeof token === 'string') throw usage('What stands on standard input is not a JWT.')
  const issuer = compileIssuers(config).find(({ issuer }) => issuer === token.claims.iss)
  if (issuer === undefined) throw usage('The configuration has no issuer of this token.')
  const compileGrants = ({ scopes, models }: { scopes: readonly string[] | null; models: readonly string[] | null }) =>
    compileCeilings({ scopes, models, operations: null, addresses: [] })
  const identity = makeIdentity(token.claims, issuer, compileGrants, Number.POSITIVE_INFINITY)
  if (typeof identity === 'string') throw usage(`The gateway would refuse the token: ${identity}.`)
  return identity
}

function describedBy(values: Values): DescribedCaller {
  const { principal: kind, project = 'proj_default', environment = 'live', role = [], cidr, tag = [] } = values
  if (kind !== 'key' && kind !== 'user' && kind !== 'service') throw usage('--principal takes key, user or service.')
  if (environment !== 'live' && environment !== 'test') throw usage('--environment takes live or test.')
  const { binding, 'authenticated-ago': authenticatedAgo } = values
  if (binding !== undefined && binding !== 'dpop' && binding !== 'certificate') {
    throw usage('--binding takes dpop or certificate.')
  }
  if (authenticatedAgo !== undefined && !/^\d{1,6}[smhd]$/.test(authenticatedAgo)) {
    throw usage(`--authenticated-ago ${authenticatedAgo}: write 90s, 5m, 12h or 30d.`)
  }
  return {
    kind,
    project,
    environment,
    roles: role,
    tags: Object.fromEntries(tag.map(readTag)),
    ...(values.id !== undefined && { id: values.id }),
    ...(values.issuer !== undefined && { issuer: values.issuer }),
    ...(values.client !== undefined && { client: values.client }),
    ...(values.scopes !== undefined && { scopes: split(values.scopes) }),
    ...(values.models !== undefined && { models: split(values.models) }),
    ...(values.operations !== undefined && { operations: split(values.operations) }),
    ...(cidr !== undefined && { cidrs: split(cidr) }),
    ...(values.acr !== undefined && { acr: values.acr }),
    ...(authenticatedAgo !== undefined && { authenticatedAgo }),
    ...(binding !== undefined && { binding }),
  }
}

function split(values: readonly string[]): string[] {
  return values.flatMap(value => value.split(',')).map(name => name.trim())
}

function readTag(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw usage(`--tag ${text}: write NAME=VALUE.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

function needed(action: string | undefined): string {
  if (action === undefined) throw usage('--action is missing.')
  return action
}

function usage(detail: string): Problem {
  return new Problem('cli.usage', { detail })
}
