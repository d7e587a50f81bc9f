import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { compileCases } from '#compile-cases.ts'
import { readCases } from '#config/policy-cases.ts'
import { Problem } from '#core/problems.ts'
import type { OpenPolicies } from '#open-policies.ts'
import { describeAnswer, describeRequest } from '#policy/cases/judge.ts'
import { junitReport } from '#policy/cases/junit.ts'
import type { PolicyCase } from '#policy/cases/policy-case.ts'
import { type CaseReport, runCases, type Verdict } from '#policy/cases/run-cases.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { loadPolicies } from './configured-policies.ts'

/** A folder that was named by mistake must not keep the command busy. */
const MAX_FILES = 1000

/** `ostiary policy test`. Resolves to 0 if every case is decided as expected, else 1. */
export async function policyTest(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, commandTable.policy.commands.test.options, true)
  const { open, testFolder } = loadPolicies(io, values)
  const files = findFiles(positionals.length === 0 ? [testFolder] : positionals)
  const cases = readAll(files, open)
  const report = runCases(cases, open.decide)
  if (values.junit !== undefined) writeReport(values.junit, junitReport(report))
  // The shipped ones have cases of their own; those in shadow determine nothing.
  const counted = open.policies.filter(({ shipped, shadow }) => !shipped && !shadow)
  const untested = counted.map(({ id }) => id).filter(id => !report.determining.has(id))
  const wantsCoverage = values.coverage === true || values['require-coverage'] === true
  const shown = wantsCoverage ? untested : null
  io.stdout.write(values.json ? renderJson(files, cases, report, shown) : render(files, cases, report, shown))
  const differs = report.verdicts.some(({ differences }) => differences.length > 0)
  return differs || (values['require-coverage'] === true && untested.length > 0) ? 1 : 0
}

/** Files as they are named, and those of named folders that end in `.yaml` or `.yml`. Throws `policy.cases_invalid`. */
function findFiles(named: readonly string[]): string[] {
  const files = named.flatMap(path => {
    try {
      if (!statSync(path).isDirectory()) return [path]
      const found = readdirSync(path).filter(name => /\.ya?ml$/.test(name))
      if (found.length === 0) throw invalid(`${show(path)}: has no file that ends in .yaml: nothing would be tested`)
      return found.sort().map(name => join(path, name))
    } catch (error) {
      if (error instanceof Problem) throw error
      throw invalid(`${show(path)}: cannot be read (${(error as NodeJS.ErrnoException).code})`)
    }
  })
  if (files.length > MAX_FILES)
    throw invalid(`${files.length} files of cases were named; at most ${MAX_FILES} are read`)
  return [...new Set(files)]
}

/** Names all that is wrong in all files, not only in the first. */
function readAll(files: readonly string[], open: OpenPolicies): PolicyCase[] {
  const faults: string[] = []
  const cases = files.flatMap(file => {
    try {
      return compileCases(readCases(show(file), readText(file)), open)
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'policy.cases_invalid') throw error
      faults.push(error.detail ?? error.title)
      return []
    }
  })
  if (faults.length > 0) throw invalid(faults.join('\n'))
  return cases
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (error) {
    throw invalid(`${show(file)}: cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function writeReport(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (cause) {
    throw new Problem('cli.usage', { detail: `--junit ${file} cannot be written.`, cause })
  }
}

function invalid(detail: string): Problem {
  return new Problem('policy.cases_invalid', { detail })
}

function show(path: string): string {
  const near = relative(process.cwd(), path)
  return near === '' || near.startsWith('..') ? path : near
}

function render(
  files: readonly string[],
  cases: readonly PolicyCase[],
  { verdicts }: CaseReport,
  untested: readonly string[] | null,
): string {
  const failed = verdicts.filter(({ differences }) => differences.length > 0)
  const counted = `${plural(verdicts.length, 'decision')} of ${plural(cases.length, 'case')} in ${plural(files.length, 'file')}`
  const end = failed.length === 0 ? 'all as expected' : `${failed.length} otherwise than expected`
  return `${failed.map(renderFailure).join('')}${counted}: ${end}.\n${untested === null ? '' : renderCoverage(untested)}`
}

function renderFailure({ of, question, differences }: Verdict): string {
  const { kind, roles } = question.principal
  const named = roles.length === 0 ? 'without a role' : `with ${roles.join(', ')}`
  const lines = differences.map(difference => `    ${difference}\n`).join('')
  return `${of.where}: ${of.name}\n  ${describeRequest(question)}, ${kind} ${named}\n${lines}\n`
}

function renderCoverage(untested: readonly string[]): string {
  if (untested.length === 0) return 'Every policy determined a case.\n'
  return `${plural(untested.length, 'policy', 'policies')} determined no case:\n${untested.map(id => `  ${id}\n`).join('')}`
}

function renderJson(
  files: readonly string[],
  cases: readonly PolicyCase[],
  { verdicts }: CaseReport,
  untested: readonly string[] | null,
): string {
  const failed = verdicts.filter(({ differences }) => differences.length > 0)
  const report = {
    ok: failed.length === 0,
    files: files.length,
    cases: cases.length,
    decisions: verdicts.length,
    failed: failed.map(({ of, question, came, differences }) => ({
      case: of.name,
      where: of.where,
      action: question.action.id,
      resource: question.resource.id,
      came: describeAnswer(came),
      differences,
    })),
    ...(untested !== null && { untested }),
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
