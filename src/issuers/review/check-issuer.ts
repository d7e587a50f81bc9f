import type { Clock } from '#core/clock.ts'
import type { Introspection } from '#issuers/introspection/introspection.ts'
import type { Issuer } from '#issuers/issuer.ts'
import { discover, type IssuerMetadata } from '#issuers/keys/discovery.ts'
import type { FetchDocument } from '#issuers/keys/fetch-document.ts'
import type { IssuerKeys } from '#issuers/keys/issuer-keys.ts'
import { readKeyFile } from '#issuers/keys/key-file.ts'
import type { KeySetStatus } from '#issuers/keys/key-set.ts'
import type { KeySource } from '#issuers/keys/key-source.ts'
import { KnownKeys } from '#issuers/keys/known-keys.ts'
import type { PublicKey } from '#issuers/keys/public-key.ts'
import { readKeySet } from '#issuers/keys/read-key-set.ts'
import { type Finding, KeysNotHad } from './finding.ts'
import { reviewIntrospection } from './review-introspection.ts'
import { reviewKeys } from './review-keys.ts'
import { reviewSettings } from './review-settings.ts'

/** An issuer as it is found now, and what an operator should know of it. */
export interface IssuerReport {
  /** Where its metadata were found; null = nowhere. */
  readonly metadataUrl: string | null
  /** Where its keys are; null = that is not known. */
  readonly jwksUri: string | null
  readonly keys: readonly PublicKey[]
  /** The issuer's clock less ours, ms; null = it does not tell the time. */
  readonly clockDifferenceMs: number | null
  /** The worst first. */
  readonly findings: readonly Finding[]
}

interface CheckParts {
  readonly issuer: Issuer
  readonly source: KeySource
  /** null = it is asked about no tokens. */
  readonly introspection: Introspection | null
  /** Keys that the gateway works with. */
  readonly inEffect: KeySetStatus
  readonly fetchDocument: FetchDocument
  readonly clock: Clock
}

/** How HTTP writes the time (RFC 9110 §5.6.7). */
const RESOLUTION_MS = 1000
const LEVELS = ['error', 'warning', 'info']

/** Asks an issuer anew, and compares what it says with how it is configured. Changes nothing; what fails is a finding. */
export async function checkIssuer({
  issuer,
  source,
  introspection,
  inEffect,
  fetchDocument,
  clock,
}: CheckParts): Promise<IssuerReport> {
  const findings: Finding[] = reviewSettings(issuer, source)
  const note = (error: unknown, level: Finding['level']) => {
    if (!(error instanceof KeysNotHad)) throw error
    findings.push({ level, code: error.code, text: error.message })
    return null
  }
  const differences: number[] = []
  const timed: FetchDocument = async (url, allowPrivateNetwork) => {
    const document = await fetchDocument(url, allowPrivateNetwork)
    if (document.date !== null) differences.push(differenceOf(document.date, clock()))
    return document
  }

  const metadata = source.jwksFile === null ? await findMetadata(source, timed, note) : null
  const jwksUri = source.jwksFile === null ? (source.jwksUrl ?? metadata?.jwksUri ?? null) : null
  const reading = await readKeys(source, jwksUri, timed).catch(error => note(error, 'error'))
  findings.push(...(reading?.findings ?? []), ...reviewMetadata(metadata, source))
  const keys = reading?.keys ?? []
  if (keys.length > 0) findings.push(...reviewKeys(keys, issuer.algorithms, inEffect))
  if (inEffect.failure !== null) {
    const text = `The gateway’s own last fetch failed: ${inEffect.failure.message} It tries again within a minute.`
    findings.push({ level: keys.length > 0 ? 'warning' : 'error', code: 'gateway_fetch_failed', text })
  }
  if (introspection !== null) {
    findings.push(await reviewIntrospection(introspection, publish(source, keys, clock), clock))
  }
  const clockDifferenceMs = differences.at(-1) ?? null
  if (clockDifferenceMs !== null) findings.push(...reviewClock(clockDifferenceMs, issuer.skewMs))
  findings.sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level))
  return { metadataUrl: metadata?.url ?? null, jwksUri, keys, clockDifferenceMs, findings }
}

/** Needed where they say where the keys are; else they are only looked at. */
function findMetadata(source: KeySource, fetchDocument: FetchDocument, note: Note): Promise<IssuerMetadata | null> {
  return discover(source, fetchDocument).catch(error => note(error, source.jwksUrl === null ? 'error' : 'info'))
}

type Note = (error: unknown, level: Finding['level']) => null

async function readKeys(source: KeySource, jwksUri: string | null, fetchDocument: FetchDocument) {
  if (source.jwksFile !== null) return readKeyFile(source.jwksFile)
  if (jwksUri === null) return null
  const { value } = await fetchDocument(jwksUri, source.allowPrivateNetwork)
  return readKeySet(value)
}

/** The keys as they were read now, for signed answers. */
function publish({ life }: KeySource, keys: readonly PublicKey[], clock: Clock): IssuerKeys {
  const known = new KnownKeys(life, { clock, ask: async () => 'done' })
  known.learn({ keys, isCurrent: true })
  return { find: query => known.find(query), onChange() {} }
}

function reviewMetadata(metadata: IssuerMetadata | null, { jwksUrl }: KeySource): Finding[] {
  if (metadata === null || jwksUrl === null || metadata.jwksUri === jwksUrl) return []
  const text = `Its metadata say that its keys are at ${metadata.jwksUri}, the configuration says ${jwksUrl}. Leave \`jwksUrl\` out, unless you know better.`
  return [{ level: 'warning', code: 'jwks_uri_differs', text }]
}

/** Seconds are all that is told: less than that is nothing. */
function differenceOf(date: number, now: number): number {
  const difference = date - now
  if (Math.abs(difference) <= RESOLUTION_MS) return 0
  return difference - Math.sign(difference) * RESOLUTION_MS
}

function reviewClock(differenceMs: number, skewMs: number): Finding[] {
  if (Math.abs(differenceMs) < 2000) return []
  const seconds = Math.round(Math.abs(differenceMs) / 1000)
  const direction = differenceMs > 0 ? 'ahead of' : 'behind'
  const text = `Its clock is ${seconds} s ${direction} this machine’s; ${skewMs / 1000} s are allowed (\`clockSkewSeconds\`). Set the clocks by NTP.`
  return [{ level: Math.abs(differenceMs) > skewMs ? 'error' : 'warning', code: 'clock_difference', text }]
}
