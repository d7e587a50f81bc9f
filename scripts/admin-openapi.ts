import type { OpenApi } from '#admin/openapi.ts'
import { type AdminOptions, createAdminServer } from '#admin/server.ts'

/** The description of the admin API, from its routes: no part of a gateway runs, and none is there to be asked. */
export async function makeOpenApi(): Promise<OpenApi> {
  const server = createAdminServer(absent as unknown as AdminOptions)
  await server.ready()
  return server.openApi()
}

/** Stands for every part that an operation is given; whoever asks it for something while routes are made learns why not. */
const absent: unknown = new Proxy(() => {}, {
  get: () => absent,
  apply() {
    throw new TypeError('An operation uses what it is given before it is called')
  },
})
