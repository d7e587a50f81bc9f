/**
 * Headers of an answer by which browsers are told something of a whole origin, and of all that is behind it: transport,
 * storage, reports, dictionaries of compression (RFC 9842 §2.1), logins, sessions bound to a device. `Reporting-Endpoints` is none: it is of one document.
 */
export const originHeaders: readonly string[] = [
  'accept-ch',
  'accept-ch-lifetime',
  'alt-svc',
  'clear-site-data',
  'expect-ct',
  'nel',
  'public-key-pins',
  'public-key-pins-report-only',
  'report-to',
  'sec-session-challenge',
  'sec-session-registration',
  'secure-session-challenge',
  'secure-session-registration',
  'service-worker-allowed',
  'set-cookie2',
  'set-login',
  'strict-transport-security',
  'use-as-dictionary',
]
