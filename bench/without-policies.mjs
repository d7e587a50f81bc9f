// Preloaded into a gateway that is measured without policies, which the product itself cannot be: its engine is replaced.
import { registerHooks } from 'node:module'

const source = `
const allowed = Object.freeze({ allowed: true, policies: Object.freeze(['ostiary.models']), error: null, shadow: null })
export const createEngine = () => ({ decide: () => allowed, [Symbol.dispose]() {} })
`

registerHooks({
  load: (url, context, next) =>
    /\/policy\/cedar\/engine\.[jt]s$/.test(url) ? { format: 'module', source, shortCircuit: true } : next(url, context),
})
