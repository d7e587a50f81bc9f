import { hostname } from 'node:os'
import type { OstiaryEvent } from '#core/events.ts'

/** “Log audit” (RFC 5424 §6.2.1). */
const FACILITY = 13
const severities = { error: 3, warning: 4, notice: 5, info: 6 } as const

/** The event as a message of syslog (RFC 5424): its JSON after the head. */
export function syslogMessage(event: OstiaryEvent): string {
  const head = `<${FACILITY * 8 + severities[severityOf(event)]}>1 ${new Date(event.at).toISOString()}`
  // §6.4: a BOM says that what follows is UTF-8.
  return `${head} ${HOST} ostiary - ${event.type.slice(0, 32)} - \ufeff${JSON.stringify(event)}`
}

/** Printable ASCII, at most 255 characters (§6). */
const HOST =
  hostname()
    .replace(/[^\x21-\x7e]/g, '')
    .slice(0, 255) || '-'

function severityOf(event: OstiaryEvent): keyof typeof severities {
  switch (event.type) {
    case 'call':
      if (event.outcome === 'failed' || event.outcome === 'upstream_failed') return 'error'
      return event.outcome === 'refused' ? 'warning' : 'info'
    case 'refusals':
    case 'key.leak_reported':
    case 'config.reload_refused':
    case 'worker.replaced':
      return 'warning'
    case 'admitted':
      return 'info'
    default:
      return 'notice'
  }
}
