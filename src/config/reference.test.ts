import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { problemTypes } from '#core/problems.ts'
import { makeReferencePage } from './reference.ts'
import { configSchema } from './schema.ts'
import { listVariables } from './variables.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'ostiary-generate-'))
after(() => rmSync(folder, { recursive: true }))

function generate(cwd: string, ...options: string[]) {
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/generate.ts'), ...options], {
    cwd,
    encoding: 'utf8',
  })
  return { status, stderr }
}

describe('generated files', () => {
  it('are up to date', () => {
    assert.deepEqual(generate(root, '--check'), { status: 0, stderr: '' })
  })

  it('are named where one is missing, changed or superfluous', () => {
    assert.equal(generate(folder).status, 0)
    assert.equal(generate(folder, '--check').status, 0)
    const at = (name: string) => join(folder, name)
    writeFileSync(at('docs/reference/problems/old.code.md'), '')
    writeFileSync(at('docs/reference/configuration.md'), '# Mine\n')
    rmSync(at('ostiary.schema.json'))
    assert.deepEqual(generate(folder, '--check'), {
      status: 1,
      stderr: `ostiary.schema.json is missing
docs/reference/configuration.md is out of date
docs/reference/problems/old.code.md is superfluous
Run \`npm run generate\`.
`,
    })
    generate(folder)
    assert.equal(generate(folder, '--check').status, 0)
  })

  it('list every member and every problem', () => {
    const page = makeReferencePage()
    for (const { name } of listVariables(configSchema, {})) assert.ok(page.includes(`\`${name}\``), name)
    generate(folder)
    const index = readFileSync(join(folder, 'docs/reference/problems/README.md'), 'utf8')
    for (const code of Object.keys(problemTypes)) assert.ok(index.includes(`[\`${code}\`](${code}.md)`), code)
  })
})
