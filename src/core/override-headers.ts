/** Headers, by their plain names, from which servers take another path than that of the request. */
export const pathOverrides: ReadonlySet<string> = new Set([
  'x-original-uri',
  'x-original-url',
  'x-original-path',
  'x-forwarded-uri',
  'x-forwarded-path',
  'x-rewrite-url',
  'x-rewrite-uri',
  'x-override-url',
  'x-http-path-override',
  'x-envoy-original-path',
  'x-invoke-path',
  'x-matched-path',
  'x-waws-unencoded-url',
])

/** The same of the method. */
export const methodOverrides: ReadonlySet<string> = new Set([
  'x-original-method',
  'x-forwarded-method',
  'x-envoy-original-method',
  'x-http-method',
  'x-http-method-override',
  'x-method',
  'x-method-override',
])
