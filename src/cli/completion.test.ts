import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import type { CommandEntry } from './command.ts'
import { commandTable } from './command-table.ts'
import { runCommand } from './commands.ts'

async function scriptFor(shell: string): Promise<string> {
  let script = ''
  const io = { env: {}, stdout: { write: (text: string) => (script += text) }, stderr: { write: () => {} } }
  assert.equal(await runCommand(['completion', shell], io), 0)
  return script
}

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0

describe('completion', () => {
  it('completes commands, their commands, options and their values in bash', { skip: !has('bash') }, async () => {
    const script = await scriptFor('bash')
    const complete = (line: string) => {
      const words = ['ostiary', ...line.split(' ')]
      const quoted = words.map(word => `'${word}'`).join(' ')
      const run = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _ostiary; echo "\${COMPREPLY[*]}"`
      return spawnSync('bash', ['-c', run], { encoding: 'utf8' }).stdout.trim()
    }
    assert.equal(complete('').split(' ').sort().join(), Object.keys(commandTable).sort().join())
    assert.equal(complete('tok'), 'tokens')
    assert.equal(complete('tokens re'), 'revoke reset')
    assert.equal(complete('keys create --e'), '--env --expires')
    assert.equal(complete('keys create --env '), 'live test')
    assert.equal(complete('completion '), 'bash zsh fish --help')
    assert.equal(complete('nothing '), '')
  })

  for (const shell of ['zsh', 'fish'] as const) {
    it(`is a script that ${shell} reads`, { skip: !has(shell) }, async () => {
      const { status, stderr } = spawnSync(shell, ['-n'], { input: await scriptFor(shell), encoding: 'utf8' })
      assert.equal(status, 0, stderr)
    })
  }

  it('names every command and option in every shell', async () => {
    const entries: [string, CommandEntry][] = Object.entries(commandTable)
    const names = entries.flatMap(([name, { commands = {}, options = {} }]) => [
      name,
      ...Object.keys(options).map(option => `--${option}`),
      ...Object.entries(commands).flatMap(([inner, command]) => [
        inner,
        ...Object.keys(command.options ?? {}).map(option => `--${option}`),
      ]),
    ])
    for (const shell of ['bash', 'zsh', 'fish']) {
      const script = await scriptFor(shell)
      assert.deepEqual(
        names.filter(name => !script.includes(name)),
        [],
      )
    }
  })
})

describe('the table of commands', () => {
  const all = Object.entries<CommandEntry>(commandTable).flatMap(([name, entry]) => [
    [name, entry] as const,
    ...Object.entries(entry.commands ?? {}).map(([inner, command]) => [`${name} ${inner}`, command] as const),
  ])

  for (const [name, { example, summary }] of all) {
    it(`explains ${name}, with an example of it`, async () => {
      const written = { out: '', err: '' }
      const io = {
        env: {},
        stdout: { write: (text: string) => (written.out += text) },
        stderr: { write: (text: string) => (written.err += text) },
      }
      assert.equal(await runCommand([...name.split(' '), '--help'], io), 0)
      assert.equal(written.err, '')
      assert.ok(written.out.startsWith(`Usage: ostiary ${name}`))
      assert.ok(written.out.endsWith(`\nExample: ${example}\n`))
      assert.ok(example.startsWith(`ostiary ${name}`))
      assert.ok(summary.length > 10)
    })
  }
})
