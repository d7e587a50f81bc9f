import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'ostiary-package-'))
after(() => rmSync(folder, { recursive: true, force: true }))

it('runs from the packed tarball, installed into an empty folder', async () => {
  const tarball = run(process.execPath, ['scripts/pack.ts', folder], '.').trim()
  run('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, tarball], folder)
  const program = join(folder, 'node_modules', 'ostiary', 'src', 'main.js')
  assert.match(run(process.execPath, [program, '--version'], folder), /^\d+\.\d+\.\d+\n$/)

  const gateway = spawn(process.execPath, [program, 'start'], {
    cwd: folder,
    env: { ...process.env, OSTIARY_LISTENERS_PUBLIC_PORT: '0', OSTIARY_LISTENERS_ADMIN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const printed = await readUntil(gateway.stdout, /curl -N .*\n/)
    const [, url = '', key = ''] = /curl -N (\S+) -H 'Authorization: Bearer (\S+)'/.exec(printed) ?? []
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'Hello' }] }),
    })
    assert.equal(response.status, 200)
  } finally {
    gateway.kill('SIGTERM')
    const [code] = await once(gateway, 'exit')
    assert.equal(code, 0)
  }
})

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

async function readUntil(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  let text = ''
  for await (const chunk of stream) {
    text += chunk
    if (pattern.test(text)) return text
  }
  assert.fail(`ended without ${pattern}: ${text}`)
}
