import { type CheckSender, createAuthenticate } from '#auth/authenticate.ts'
import type { Config, ProviderConfig } from '#config/schema.ts'
import type { SecretValues } from '#config/secrets.ts'
import type { Generation } from '#gateway/generation.ts'
import { createLifetime } from '#gateway/lifetime.ts'
import { createUpstream } from '#http/upstream.ts'
import type { KnownIdentityKeys } from '#identity/known-keys.ts'
import { createAuthenticationCheck } from '#issuers/check-authentication.ts'
import { tagsRead } from '#policy/tags-read.ts'
import { createCatalog, type Provider } from '#providers/catalog.ts'
import { lazySandbox } from '#providers/sandbox/lazy-sandbox.ts'
import { compileAdmission, compileListenerAccess } from './compile-admission.ts'
import { compileBounds } from './compile-bounds.ts'
import { type Credentials, compileChain } from './compile-chain.ts'
import { compileIdentity } from './compile-identity.ts'
import { compileLogins, compileResourceMetadata } from './compile-issuers.ts'
import { compileModelEntries } from './compile-models.ts'
import { compilePolicies } from './compile-policies.ts'
import { compileProxies } from './compile-proxies.ts'
import { compileServices } from './compile-services.ts'

/** A generation and what it holds open. Disposing waits for its last call. */
export type OpenGeneration = Generation & AsyncDisposable

/** What generations share with those before and after them. */
interface CallParts extends Credentials {
  readonly checkSender: CheckSender
  readonly identityKeys: Pick<KnownIdentityKeys, 'current'>
}

/** Compiles one generation of the configuration into what the pipeline uses: nothing of it is parsed again per call. */
export function compileGeneration(
  number: number,
  config: Config,
  secrets: SecretValues,
  { checkSender, identityKeys, ...credentials }: CallParts,
): OpenGeneration {
  const open = new AsyncDisposableStack()
  const providers = Object.entries(config.providers).map(([name, provider]) =>
    compileProvider(name, provider, secrets, open),
  )
  return {
    number,
    resourceMetadata: compileResourceMetadata(config, credentials.publicUrl),
    allowsAddress: compileListenerAccess(config),
    authenticate: createAuthenticate({
      chain: compileChain(config, secrets, credentials, open),
      checkSender,
      checkAuthentication: createAuthenticationCheck(compileLogins(config), credentials.clock),
    }),
    catalog: createCatalog(providers, compileModelEntries(config)),
    services: compileServices(config, secrets, open, credentials.publicUrl),
    admissionOf: compileAdmission(config),
    findProxy: compileProxies(config, secrets, credentials.clock),
    decide: open.use(compilePolicies(config)).decide,
    readsTags: tagsRead(config.policySources)?.size !== 0,
    limits: config.requests,
    identityHeaders: compileIdentity(config, credentials.publicUrl, identityKeys),
    ...compileBounds(config),
    ...createLifetime(() => open.disposeAsync()),
  }
}

function compileProvider(
  name: string,
  config: ProviderConfig,
  secrets: SecretValues,
  open: AsyncDisposableStack,
): Provider {
  if (config.format === 'sandbox') {
    return { name, format: null, test: true, credential: null, basePath: '', send: lazySandbox(config) }
  }
  const { origin, pathname } = new URL(config.baseUrl)
  const upstream = open.use(createUpstream({ ...config, origin }))
  return {
    name,
    format: config.format,
    test: config.tags.includes('test'),
    credential: config.credential === undefined ? null : secrets.get(config.credential),
    callerTokenOf: config.callerToken ?? null,
    previousCredential: config.credential === undefined ? null : secrets.previous(config.credential),
    ...(config.format === 'openai' && {
      streamUsage: config.streamUsage,
      maxTokensMember: config.maxTokensMember,
    }),
    basePath: pathname.replace(/\/+$/, ''),
    send: upstream.send,
  }
}
