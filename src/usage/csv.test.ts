import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csvLine } from './csv.ts'

test('a cell that a spreadsheet would run is inert', () => {
  for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', ' =1', '\t=1', "'=1", '"=1', '＝1', '\r=1', '\n=1', '\tx']) {
    const line = csvLine([text])
    assert.match(line, /^(?:'|"')/, JSON.stringify(line))
  }
  assert.equal(csvLine(["=cmd|' /C calc'!A0", 'x']), "'=cmd|' /C calc'!A0,x\r\n")
  assert.equal(csvLine(['=a","=b']), '"\'=a"",""=b"\r\n')
})

test('cells are quoted where RFC 4180 says so, and numbers stay numbers', () => {
  assert.equal(
    csvLine(['gpt-5', 'a,b', 'say "x"', 'two\nlines', '', 0, 12]),
    'gpt-5,"a,b","say ""x""","two\nlines",,0,12\r\n',
  )
})
