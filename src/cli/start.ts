import { relative } from 'node:path'
import { type Ostiary, startOstiary } from '#app.ts'
import { parse } from './arguments.ts'
import type { Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { readVersion } from './version.ts'

/** `ostiary start`. Resolves when the gateway has stopped. */
export async function startCommand(args: string[], io: Io): Promise<number> {
  const { config, json } = parse(args, commandTable.start.options).values
  const begun = performance.now()
  // Listened to until the end: a second signal, as Ctrl-C under npm sends, must not cut what the first one lets end.
  const stop = new Promise<void>(resolve => {
    process.on('SIGTERM', () => resolve()).on('SIGINT', () => resolve())
  })
  const starting = startOstiary({ env: io.env, configFile: config })
  process.on('SIGHUP', () => void starting.then(reload, () => {}))
  const ostiary = await starting
  io.stdout.write(json ? bannerJson(ostiary) : banner(ostiary, performance.now() - begun))
  const lost = await Promise.race([stop.then(() => null), ostiary.lost])
  if (lost === null && !json) io.stdout.write('Stopping: running calls may end …\n')
  await ostiary[Symbol.asyncDispose]()
  if (lost !== null) throw lost
  return 0
}

async function reload(ostiary: Ostiary): Promise<void> {
  try {
    const { generation, changes } = await ostiary.reload('SIGHUP')
    ostiary.log.info({ generation, changes }, 'configuration applied')
  } catch {
    // Whoever asked, a refusal is in the log already.
  }
}

function banner(ostiary: Ostiary, startMs: number): string {
  const { publicUrl, adminUrl, firstKey, supervisor } = ostiary
  const workers = supervisor.workers.length
  const token = bootstrapFile(ostiary)
  const lines = [
    `Ostiary ${readVersion()} is ready: ${workers} ${workers === 1 ? 'worker' : 'workers'}, ${(startMs / 1000).toFixed(1)} s`,
    '',
    `  Gateway   ${publicUrl}`,
    `  Admin     ${adminUrl}${token === null ? '' : `   (token in ${token})`}`,
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

function bannerJson(ostiary: Ostiary): string {
  const { publicUrl, adminUrl, firstKey, supervisor } = ostiary
  const banner = {
    version: readVersion(),
    public_url: publicUrl,
    admin_url: adminUrl,
    workers: supervisor.workers.length,
    bootstrap_token_file: bootstrapFile(ostiary),
    test_key: firstKey?.secret.reveal() ?? null,
  }
  return `${JSON.stringify(banner)}\n`
}

/** Null = there are operators, who know their own. */
function bootstrapFile({ bootstrap, dataDirectory }: Ostiary): string | null {
  return bootstrap ? relative(process.cwd(), dataDirectory.bootstrapTokenFile) : null
}
