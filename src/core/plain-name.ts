/**
 * A header’s name as servers that turn it into a variable read it: CGI, WSGI and PHP make the same of `X-Ostiary-Subject`,
 * `x_ostiary_subject` and `X.Ostiary.Subject`.
 */
export function plainName(name: string): string {
  const lower = name.toLowerCase()
  return /^[a-z0-9-]*$/.test(lower) ? lower : lower.replaceAll(/[^a-z0-9]/g, '-')
}
