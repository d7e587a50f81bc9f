import assert from 'node:assert/strict'
import { test } from 'node:test'
import { junitReport } from './junit.ts'
import type { Verdict } from './run-cases.ts'

const verdict = (name: string, differences: readonly string[], file = 'a.yaml') =>
  ({
    of: { name, where: `${file}:3:5`, file },
    question: { action: { id: 'openai.chat' }, resource: { id: 'gpt-5' } },
    differences,
    durationMs: 1.5,
  }) as unknown as Verdict

const report = (...verdicts: Verdict[]) => junitReport({ verdicts, determining: new Set() })

/** An element as a strict reader sees it. */
interface Element {
  readonly name: string
  readonly attributes: Record<string, string>
  readonly children: Element[]
  text: string
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** Reads what XML 1.0 calls well-formed (§2.1), as far as JUnit needs it; throws for anything else. */
function readXml(text: string): Element {
  assert.match(text, /^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u)
  const [declaration = ''] = /^<\?xml version="1\.0" encoding="UTF-8"\?>\n/.exec(text) ?? []
  assert.notEqual(declaration, '')
  const root: Element = { name: '', attributes: {}, children: [], text: '' }
  const open = [root]
  const tag = /<(\/?)([A-Za-z]+)((?: [A-Za-z]+="[^"<]*")*)(\/?)>/y
  for (let at = declaration.length; at < text.length; ) {
    const current = open.at(-1) as Element
    if (text[at] !== '<') {
      const end = text.indexOf('<', at) === -1 ? text.length : text.indexOf('<', at)
      current.text += resolveEntities(text.slice(at, end))
      at = end
      continue
    }
    tag.lastIndex = at
    const found = tag.exec(text)
    assert.ok(found !== null, `no tag at ${text.slice(at, at + 60)}`)
    const [whole, closes, name = '', attributes = '', isEmpty] = found
    at += whole.length
    if (closes === '/') {
      assert.equal(open.pop()?.name, name)
      continue
    }
    const element: Element = { name, attributes: readAttributes(attributes), children: [], text: '' }
    current.children.push(element)
    if (isEmpty !== '/') open.push(element)
  }
  assert.equal(open.length, 1, 'an element is not closed')
  assert.equal(root.children.length, 1)
  return root.children[0] as Element
}

function readAttributes(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/ ([A-Za-z]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value] as const)
  assert.equal(new Set(pairs.map(([name]) => name)).size, pairs.length, 'an attribute is written twice')
  return Object.fromEntries(pairs.map(([name, value]) => [name, resolveEntities(value)]))
}

function resolveEntities(text: string): string {
  assert.doesNotMatch(text, /&(?!(?:amp|lt|gt|quot|apos|#\d+);)/)
  return text.replace(/&(#?)(\w+);/g, (_, isNumber, name: string) =>
    isNumber === '#' ? String.fromCodePoint(Number(name)) : (ENTITIES[name] as string),
  )
}

test('a report has a suite for each file and a test case for each question', () => {
  const root = readXml(
    report(
      verdict('an editor edits', []),
      verdict('a viewer reads', ['expected allow, came deny']),
      verdict('x', [], 'b.yaml'),
    ),
  )
  assert.equal(root.name, 'testsuites')
  const { tests, failures, errors, time } = root.attributes
  assert.deepEqual([tests, failures, errors, time], ['3', '1', '0', '0.004500'])
  const suites = root.children.map(({ name, attributes, children }) => [
    name,
    attributes.name,
    attributes.tests,
    attributes.failures,
    children.length,
  ])
  assert.deepEqual(suites, [
    ['testsuite', 'a.yaml', '2', '1', 2],
    ['testsuite', 'b.yaml', '1', '0', 1],
  ])
  const [suite] = root.children as [Element]
  const [good, bad] = suite.children as [Element, Element]
  assert.deepEqual(
    [good.name, good.attributes.name, good.attributes.classname],
    ['testcase', 'an editor edits: openai.chat on gpt-5', 'a.yaml'],
  )
  assert.deepEqual(good.children, [])
  assert.equal(bad.children[0]?.name, 'failure')
  assert.equal(bad.children[0]?.attributes.message, 'expected allow, came deny')
  assert.equal(bad.children[0]?.text, 'a.yaml:3:5\nexpected allow, came deny')
})

for (const name of [
  'a < b && c > "d" \'e\'',
  ']]></failure></testcase>',
  '<!-- & -->',
  '&amp; stays &lt;',
  'tab\tand\nlines\r\n',
  'snow \u2603 and \u{1f600}',
]) {
  test(`${JSON.stringify(name)} comes back as it is from a report`, () => {
    const [suite] = readXml(report(verdict(name, [name], name))).children
    assert.equal(suite?.attributes.name, name)
    assert.equal(suite?.children[0]?.attributes.name, `${name}: openai.chat on gpt-5`)
    assert.equal(suite?.children[0]?.children[0]?.attributes.message, name)
    assert.equal(suite?.children[0]?.children[0]?.text, `${name}:3:5\n${name}`)
  })
}

test('what XML cannot hold is replaced', () => {
  const [suite] = readXml(report(verdict('nul \0 bell \x07 half \ud800 none \uffff', []))).children
  assert.equal(
    suite?.children[0]?.attributes.name,
    'nul \ufffd bell \ufffd half \ufffd none \ufffd: openai.chat on gpt-5',
  )
})
