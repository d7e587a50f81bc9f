import { type Logger, pino } from 'pino'

/** The log: one JSON object a line on standard error. Calls are not in it: they are events. */
export function createLog(level: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  )
}
