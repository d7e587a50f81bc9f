import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { type Ostiary, startOstiary } from '#app.ts'
import { Problem } from '#core/problems.ts'
import type { Io } from './command.ts'
import { readVersion } from './version.ts'

const HELP = `Usage: ostiary start [--config FILE]

Runs the gateway until SIGTERM or SIGINT, which let running calls end; SIGHUP applies the configuration anew.

  OSTIARY_CONFIG     configuration file (./ostiary.yaml if it exists)
  OSTIARY_DATA_DIR   data directory (./.ostiary)

Example: ostiary start --config /etc/ostiary.yaml
`

/** `ostiary start`. Resolves when the gateway has stopped. */
export async function startCommand(args: string[], io: Io): Promise<number> {
  const { config, help } = parseUsage(args)
  if (help) {
    io.stdout.write(HELP)
    return 0
  }
  const begun = performance.now()
  // Listened to until the end: a second signal, as Ctrl-C under npm sends, must not cut what the first one lets end.
  const stop = new Promise<void>(resolve => {
    process.on('SIGTERM', () => resolve()).on('SIGINT', () => resolve())
  })
  const starting = startOstiary({ env: io.env, configFile: config })
  process.on('SIGHUP', () => void starting.then(reload, () => {}))
  const ostiary = await starting
  io.stdout.write(banner(ostiary, performance.now() - begun))
  const lost = await Promise.race([stop.then(() => null), ostiary.lost])
  if (lost === null) io.stdout.write('Stopping: running calls may end …\n')
  await ostiary[Symbol.asyncDispose]()
  if (lost !== null) throw lost
  return 0
}

async function reload(ostiary: Ostiary): Promise<void> {
  try {
    const { generation, changes } = await ostiary.reload('SIGHUP')
    ostiary.log.info({ generation, changes }, 'configuration applied')
  } catch (error) {
    ostiary.log.error({ err: error }, 'configuration refused; the last good one stays')
  }
}

function parseUsage(args: string[]): { config?: string | undefined; help?: boolean | undefined } {
  try {
    return parseArgs({ args, options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } }).values
  } catch (cause) {
    throw new Problem('cli.usage', { detail: (cause as Error).message, cause })
  }
}

function banner(ostiary: Ostiary, startMs: number): string {
  const { publicUrl, adminUrl, firstKey, dataDirectory, supervisor } = ostiary
  const workers = supervisor.workers.length
  const token = relative(process.cwd(), dataDirectory.bootstrapTokenFile)
  const lines = [
    `Ostiary ${readVersion()} is ready: ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${(startMs / 1000).toFixed(1)} s`,
    '',
    `  Gateway   ${publicUrl}`,
    `  Admin     ${adminUrl}   (token in ${token})`,
  ]
  if (firstKey === null) {
    lines.push('', 'Mint a key:  npx ostiary keys create --name my-app')
  } else {
    const key = firstKey.secret.reveal()
    lines.push(
      `  Test key  ${key}`,
      '            for the sandbox only, ends in 24 hours, shown this once',
      '',
      'Try it:',
      `  curl -N ${publicUrl}/v1/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '{"model":"sandbox","stream":true,"messages":[{"role":"user","content":"Hello"}]}'`,
    )
  }
  return `${lines.join('\n')}\n`
}
