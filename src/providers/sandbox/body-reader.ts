import { type Static, type TSchema, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { InvalidRequest } from './invalid-request.ts'

/** A function that returns the body as the schema's type, or throws `InvalidRequest` naming the first member at fault. */
export function bodyReader<S extends TSchema>(schema: S): (body: unknown) => Static<S> {
  const validator = Compile(schema)
  return body => {
    if (validator.Check(body)) return body as Static<S>
    if (!isSmall(body)) throw new InvalidRequest('The body is not what this operation takes.')
    const errors = [...validator.Errors(body)]
    const [first] = errors
    const place = (first?.instancePath ?? '').slice(1).split('/').filter(Boolean)
    if (first?.keyword === 'required') {
      const param = [...place, first.params.requiredProperties[0]].join('.')
      throw new InvalidRequest(`Missing required parameter: '${param}'.`, param)
    }
    // A union reports every branch: together they say what the member may be.
    const wanted = errors.filter(error => error.instancePath === first?.instancePath && error.keyword !== 'anyOf')
    const messages = [...new Set(wanted.map(error => error.message))].join(' or ')
    const param = place.length === 0 ? null : place.join('.')
    throw new InvalidRequest(`${param === null ? 'The body' : `'${param}'`} ${messages}.`, param)
  }
}

/** May be absent or null, as the formats treat them alike. */
export const optional = <S extends TSchema>(schema: S) => Type.Optional(Type.Union([schema, Type.Null()]))

const SMALL = 5000

/** TypeBox looks for errors to the very end, at some microseconds a value: a large wrong body would hold up every other call. */
function isSmall(body: unknown): boolean {
  const rest = [body]
  for (let seen = 0; rest.length > 0; ) {
    const value = rest.pop()
    if (typeof value !== 'object' || value === null) continue
    const members = Object.values(value)
    seen += members.length
    if (seen > SMALL) return false
    rest.push(...members)
  }
  return true
}
