import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand } from './commands.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostiary-cli-config-'))
const file = join(folder, 'ostiary.yaml')
after(() => rmSync(folder, { recursive: true }))

async function run(args: string[], yaml = '', env: Record<string, string> = {}) {
  writeFileSync(file, yaml)
  const written = { out: '', err: '' }
  const exit = await runCommand(['config', ...args], {
    env: { OSTIARY_CONFIG: file, ...env },
    stdout: { write: text => (written.out += text) },
    stderr: { write: text => (written.err += text) },
  })
  return { exit, ...written }
}

describe('ostiary config', () => {
  it('check says that all is well', async () => {
    const { exit, out, err } = await run(['check'])
    assert.deepEqual({ exit, err }, { exit: 0, err: '' })
    assert.match(out, /^ok\n.*ostiary\.yaml; store sqlite; providers sandbox; 1 model name\n$/)
  })

  it('check names the issuers, where there are any', async () => {
    const issuer = (name: string) => `{ issuer: 'https://${name}.example.com', audience: [x] }`
    const yaml = `issuers: { company: ${issuer('id')}, robots: ${issuer('robots')} }`
    assert.match((await run(['check'], yaml)).out, /; providers sandbox; issuers company, robots; 1 model name\n$/)
    assert.deepEqual(JSON.parse((await run(['check', '--json'], yaml)).out).issuers, ['company', 'robots'])
  })

  it('check names what is wrong and exits 2', async () => {
    const { exit, out, err } = await run(['check'], 'workers: 0\nlog: { level: x }')
    assert.deepEqual({ exit, out }, { exit: 2, out: '' })
    assert.match(err, /:1:1: workers: .*\n.*:2:8: log\.level: .*\n$/)
  })

  it('check takes the file of --config', async () => {
    const { exit, err } = await run(['check', '--config', join(folder, 'none.yaml')])
    assert.equal(exit, 2)
    assert.match(err, /none\.yaml: cannot be read \(ENOENT\)/)
  })

  it('show prints no secret', async () => {
    const { exit, out } = await run(['show'], '', { OPENAI_API_KEY: 'sk-very-secret' })
    assert.equal(exit, 0)
    assert.match(out, /credential: env:OPENAI_API_KEY/)
    assert.doesNotMatch(out, /very-secret/)
  })

  it('schema prints JSON, whatever the file says', async () => {
    const { exit, out } = await run(['schema'], 'workers: 0')
    assert.equal(exit, 0)
    assert.equal(JSON.parse(out).$schema, 'https://json-schema.org/draft/2020-12/schema')
  })

  it('explains itself, with 0 if asked and 2 if not', async () => {
    assert.match((await run(['--help'])).out, /^Usage: ostiary config/)
    assert.equal((await run(['check', '-h'])).exit, 0)
    for (const args of [[], ['chekc'], ['check', 'x'], ['check', '--nope'], ['check', '--config']]) {
      const { exit, err } = await run(args)
      assert.equal(exit, 2, args.join(' '))
      assert.match(err, /^Usage: ostiary config/)
    }
  })
})
