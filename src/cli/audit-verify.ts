import { createPublicKey, type KeyObject } from 'node:crypto'
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { AuditReport, Finding } from '#audit/verify.ts'
import { verifyAudit } from '#audit/verify.ts'
import { keyIdOf } from '#core/checkpoint.ts'
import { Problem } from '#core/problems.ts'
import { readAuditKey } from '#secrets/audit-key.ts'
import { findDataDirectory } from '#secrets/data-directory.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { openAudit } from './open-audit.ts'
import { progressBar } from './progress-bar.ts'

/** `ostiary audit verify`. Resolves to 0 if nothing contradicts, else 1. */
export async function auditVerify(args: string[], io: Io): Promise<number> {
  const { anchor, key, json } = parse(args, commandTable.audit.commands.verify.options).values
  const keys = key === undefined ? [readAuditKey(findDataDirectory(io.env)).publicKey] : key.flatMap(readPublicKeys)
  const started = performance.now()
  await using reader = await openAudit(io, { snapshot: true })
  const bar = progressBar(io.stderr, 'rows')
  const report = await verifyAudit({
    reader,
    keys: new Map(keys.map(each => [keyIdOf(each), each])),
    anchor: anchor === undefined ? null : readLines(anchor),
    onProgress: bar.show,
  })
  bar.end()
  const seconds = (performance.now() - started) / 1000
  io.stdout.write(json ? `${JSON.stringify(view(report, seconds), null, 2)}\n` : describe(report, seconds))
  return report.result === 'tampered' ? 1 : 0
}

/** All public keys of a PEM file; of a private one, its public half is not meant. */
function readPublicKeys(file: string): KeyObject[] {
  const pems = readFile(file).match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? []
  try {
    const keys = pems.map(pem => createPublicKey(pem))
    if (keys.length > 0 && keys.every(key => key.asymmetricKeyType === 'ed25519')) return keys
  } catch {}
  throw new Problem('cli.usage', { detail: `${file} holds no public key as \`ostiary audit key\` prints it.` })
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Problem('cli.usage', { detail: `${file} cannot be read: ${(cause as Error).message}`, cause })
  }
}

/** Of a folder, those of its `checkpoint-….json`, in order of name: a bucket of S3 that was copied. */
async function* readLines(path: string): AsyncGenerator<string> {
  try {
    for (const file of statSync(path).isDirectory() ? listCheckpoints(path) : [path]) {
      yield* createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })
    }
  } catch (cause) {
    throw new Problem('cli.usage', { detail: `${path} cannot be read: ${(cause as Error).message}`, cause })
  }
}

function listCheckpoints(folder: string): string[] {
  const names = readdirSync(folder).filter(name => /^checkpoint-\d{12}\.json$/.test(name))
  if (names.length === 0) throw new Error('it holds no checkpoint-….json')
  return names.sort().map(name => join(folder, name))
}

function view(report: AuditReport, seconds: number): object {
  const { result, provedUntil, checkpoint, events, chains, findings, findingCount } = report
  return {
    result,
    proved_until: provedUntil === null ? null : new Date(provedUntil).toISOString(),
    checkpoint: checkpoint && { seq: checkpoint.seq, at: new Date(checkpoint.at).toISOString() },
    events,
    chains: chains.map(({ chain, rows, events: count, last, prunedTo, unsigned }) => ({
      chain,
      rows,
      events: count,
      last_seq: last.seq,
      pruned_to: prunedTo,
      unsigned_rows: unsigned,
    })),
    findings,
    finding_count: findingCount,
    seconds: Math.round(seconds * 1000) / 1000,
  }
}

function describe(report: AuditReport, seconds: number): string {
  const { checkpoint, chains, findings, findingCount } = report
  const lines = findings.map(describeFinding)
  if (findingCount > findings.length) lines.push(`… and ${findingCount - findings.length} more`)
  lines.push(`${report.events} events in ${chains.length} chains, read in ${seconds.toFixed(1)} s`)
  for (const { chain, prunedTo } of chains.filter(each => each.prunedTo > 0)) {
    lines.push(`${chain}: rows up to ${prunedTo} were pruned, as recorded`)
  }
  for (const { chain, unsigned, last } of chains.filter(each => each.unsigned > 0)) {
    lines.push(`${chain}: rows ${last.seq - unsigned + 1} to ${last.seq} are signed by no checkpoint yet`)
  }
  const signed =
    checkpoint === null ? 'no checkpoint was signed' : `checkpoint ${checkpoint.seq} of ${time(checkpoint.at)}`
  lines.push(verdict(report, signed))
  return `${lines.join('\n')}\n`
}

function verdict({ result, provedUntil }: AuditReport, signed: string): string {
  switch (result) {
    case 'tampered':
      return 'NOT as it was written.'
    case 'proved':
      return `Proved up to ${time(provedUntil ?? 0)} (the anchor's newest checkpoint); internally consistent up to ${signed}.`
    case 'consistent':
      return `Internally consistent up to ${signed}. Without an anchor, nothing shows that it was not replaced as a whole.`
  }
}

function describeFinding({ chain, seq, row, what }: Finding): string {
  return `${chain} ${seq}${row === null ? '' : `, ${row}`}: ${what}`
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}
