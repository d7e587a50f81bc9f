import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { findDataDirectory } from '#secrets/data-directory.ts'

// Compiled code is kept between starts, in the data directory: a cache in a shared folder could be written by others.
// Threads follow the variable, this one the call.
process.env.NODE_COMPILE_CACHE ??= join(findDataDirectory(process.env), 'cache')
enableCompileCache(process.env.NODE_COMPILE_CACHE)

// Whoever read our output may leave before us: that is no reason to stop serving.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const { runCommand } = await import('#cli/commands.ts')

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
})
