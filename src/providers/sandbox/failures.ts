import { errorScript, type Format } from './errors.ts'
import type { Script } from './script.ts'
import type { SandboxFailure } from './settings.ts'

/** The script as it goes when the provider fails in this way. */
export function failing(script: Script, failure: SandboxFailure, format: Format, now: number): Script {
  switch (failure) {
    case 'none':
      return script
    case 'error':
      return errorScript(format, 500, 'The sandbox failed, as it was asked to.', now)
    case 'overloaded': {
      const status = format === 'anthropic' ? 529 : 503
      return errorScript(format, status, 'The sandbox is overloaded, as it was asked to be.', now, null, {
        'retry-after': '1',
      })
    }
    case 'reset':
      return { ...script, parts: firstHalf(script), ending: 'reset' }
    case 'garbage': {
      const { 'content-length': _, ...headers } = script.headers
      return {
        ...script,
        headers,
        parts: ['<html><body>This is not what you were promised.</body></html>\n'],
        count: 1,
      }
    }
    case 'hang':
      return { ...script, ending: 'never' }
  }
}

function* firstHalf(script: Script): Generator<string> {
  let left = Math.floor(script.count / 2)
  for (const part of script.parts) {
    if (script.count === 1) yield part.slice(0, part.length / 2)
    if (left === 0) return
    yield part
    left -= 1
  }
}
