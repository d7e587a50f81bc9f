import { describeRequest } from './judge.ts'
import type { CaseReport, Verdict } from './run-cases.ts'

/** The report as JUnit XML, which CI systems read: a suite for each file, a test case for each question. */
export function junitReport({ verdicts }: CaseReport): string {
  const files = Map.groupBy(verdicts, ({ of }) => of.file)
  const suites = [...files].map(([file, of]) => suite(file, of))
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${countsOf(verdicts)}>\n${suites.join('')}</testsuites>\n`
}

function suite(file: string, verdicts: readonly Verdict[]): string {
  const cases = verdicts.map(verdict => testCase(file, verdict)).join('')
  return `  <testsuite name="${escapeXml(file)}" ${countsOf(verdicts)}>\n${cases}  </testsuite>\n`
}

function testCase(file: string, { of, question, differences, durationMs }: Verdict): string {
  const name = escapeXml(`${of.name}: ${describeRequest(question)}`)
  const head = `    <testcase classname="${escapeXml(file)}" name="${name}" time="${secondsOf(durationMs)}"`
  if (differences.length === 0) return `${head}/>\n`
  const text = escapeXml([of.where, ...differences].join('\n'))
  const message = escapeXml(differences.join('; '))
  return `${head}>\n      <failure message="${message}">${text}</failure>\n    </testcase>\n`
}

function countsOf(verdicts: readonly Verdict[]): string {
  const failures = verdicts.filter(({ differences }) => differences.length > 0).length
  const time = verdicts.reduce((sum, { durationMs }) => sum + durationMs, 0)
  return `tests="${verdicts.length}" failures="${failures}" errors="0" skipped="0" time="${secondsOf(time)}"`
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(6)
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** As text and as value of an attribute. What XML 1.0 cannot hold even as a reference (§2.2) becomes U+FFFD. */
function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"]/g, character => ENTITIES[character] as string)
    .replace(/[\t\n\r]/g, character => `&#${character.charCodeAt(0)};`)
}
