import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { findDataDirectory, makeDataDirectory } from '#secrets/data-directory.ts'

// Compiled code is kept between starts, in the data directory: a cache in a shared folder could be written by others.
// Threads follow the variable, this one the call.
if (process.argv[2] === 'start' && process.env.NODE_COMPILE_CACHE === undefined) {
  const folder = findDataDirectory(process.env)
  try {
    makeDataDirectory(folder)
    process.env.NODE_COMPILE_CACHE = join(folder, 'cache')
    enableCompileCache(process.env.NODE_COMPILE_CACHE)
  } catch {
    // A folder that cannot be made is reported by the command itself.
  }
}

// Whoever read our output may leave before us: that is no reason to stop serving.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const { runCommand } = await import('#cli/commands.ts')

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
})
