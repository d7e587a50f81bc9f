import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Makes the package that is published: the sources as `.js` (Node strips no types below `node_modules`), and a
 * package.json with what running needs. Prints the tarball's path; the folder to write to is the one argument (`dist`).
 */
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = process.argv[2] ?? join(root, 'dist')
const folder = join(target, 'package')
const source = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

rmSync(folder, { recursive: true, force: true })
for (const file of globSync('src/**/*.ts', { cwd: root })) {
  if (/(?:\.test|-for-test|-under-test|\.d)\.ts$/.test(file)) continue
  const code = toJavaScript(readFileSync(join(root, file), 'utf8'))
  const place = join(folder, file.replace(/\.ts$/, '.js'))
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, file === join('src', 'main.ts') ? `#!/usr/bin/env node\n${code}` : code)
}
for (const file of [
  ...globSync('src/**/*.cedar', { cwd: root }),
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'ostiary.schema.json',
]) {
  cpSync(join(root, file), join(folder, file))
}
const { name, version, description, license, type, imports, dependencies } = source
const manifest = {
  name,
  version,
  description,
  license,
  type,
  engines: { node: '>=24' },
  bin: { ostiary: 'src/main.js' },
  imports,
  dependencies,
}
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
const packed = spawnSync('npm', ['pack', '--json', '--pack-destination', target, folder], { encoding: 'utf8' })
if (packed.status !== 0) {
  console.error(packed.stderr)
  process.exit(1)
}
console.log(join(target, JSON.parse(packed.stdout)[0].filename))

/** Types become spaces, so that every place in a stack trace is the source's. Specifiers and worker files follow. */
function toJavaScript(code: string): string {
  return stripTypeScriptTypes(code).replace(/(['"])((?:\.{1,2}\/|#)[^'"\n]+)\.ts\1/g, '$1$2.js$1')
}
