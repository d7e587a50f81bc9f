import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Problem } from '#core/problems.ts'
import { type LoadedConfig, loadConfig } from './load.ts'
import type { Environment } from './variables.ts'

// A test file that imports this runs in an empty folder of its own, so that places read `ostiary.yaml:1:5`.
const started = process.cwd()
const folder = mkdtempSync(join(tmpdir(), 'ostiary-config-'))
process.chdir(folder)
after(() => {
  process.chdir(started)
  rmSync(folder, { recursive: true })
})

/** Loads a file of this text; null = none. */
export function load(yaml: string | Uint8Array | null, env: Environment = {}): LoadedConfig {
  rmSync('ostiary.yaml', { force: true })
  if (yaml !== null) writeFileSync('ostiary.yaml', yaml)
  return loadConfig({ env })
}

/** The lines with which it is refused. */
export function refuse(yaml: string | Uint8Array | null, env: Environment = {}): string[] {
  try {
    load(yaml, env)
  } catch (error) {
    assert.ok(error instanceof Problem && error.code === 'config.invalid', String((error as Error).stack))
    assert.ok(error.detail)
    return error.detail.split('\n')
  }
  return assert.fail('was accepted')
}
