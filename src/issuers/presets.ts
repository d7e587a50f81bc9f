import { readClaim } from './claims.ts'
import type { Claims, Preset } from './issuer.ts'
import type { TokenFault } from './token-faults.ts'

/** Any issuer that keeps to RFC 9068, or, where the configuration takes other types, that says scope or client. */
const generic: Preset = {
  algorithms: ['RS256'],
  types: ['at+jwt'],
  claims: { subject: ['sub'], client: ['client_id'], session: ['sid'] },
  checkKind: onlyWith('scope', 'scp', 'client_id'),
  check: () => null,
  // RFC 9068 §2.2: of a grant without a resource owner `sub` is the client.
  isService: (_claims, { subject, client }) => subject === client,
}

/**
 * Auth0: its own profile of access tokens (`typ: JWT`, `azp`, `gty`), and that of RFC 9068 (`at+jwt`, `client_id`). Claims
 * of actions are namespaced by a URL. Source: “Access Token Profiles”, auth0.com/docs/secure/tokens/access-tokens.
 */
const auth0: Preset = {
  ...generic,
  types: ['jwt', 'at+jwt'],
  claims: { ...generic.claims, client: ['azp', 'client_id'] },
  checkKind: onlyWith('scope', 'permissions', 'gty'),
  isService: ({ gty }, { subject, client }) => gty === 'client-credentials' || subject === `${client}@clients`,
}

/**
 * Okta, a custom authorization server: no `typ`; `scp` is a list, `cid` the client. `sub` is a person’s log-in, which can
 * change hands: `uid` is what stays. Tokens of the org server (`okta-internal-at+jwt`) are for Okta alone, and refused by
 * their type. Source: “OpenID Connect & OAuth 2.0 API: Access token payload”, developer.okta.com/docs/api.
 */
const okta: Preset = {
  ...generic,
  types: [null, 'at+jwt'],
  claims: { subject: ['uid', 'sub'], client: ['cid'], session: ['sid'] },
  checkKind: onlyWith('cid'),
  check({ uid, sub, cid }) {
    if (typeof cid !== 'string') return 'token_not_access'
    // Without a person's own id only a client may stand for itself.
    return uid === undefined && sub !== cid ? 'token_subject' : null
  },
  isService: ({ uid }) => uid === undefined,
}

/**
 * Amazon Cognito user pools: no `typ`; access tokens have no `aud` unless a resource was asked for, but `client_id` and
 * `token_use: access`. Source: “Understanding the access token”, docs.aws.amazon.com/cognito/latest/developerguide.
 */
const cognito: Preset = {
  ...generic,
  types: [null],
  claims: { ...generic.claims, session: ['origin_jti'] },
  checkKind: onlyWith('token_use'),
  check: ({ token_use }) => (token_use === 'access' ? null : 'token_not_access'),
}

/**
 * Microsoft Entra ID, one tenant. `oid` is the person or service principal, the same for every application; `sub` differs
 * for each. The client is `appid` (v1.0) or `azp` (v2.0), beside how it authenticated, which ID tokens never say.
 * Source: “Access token claims reference”, learn.microsoft.com/entra/identity-platform.
 */
const entra: Preset = {
  ...generic,
  types: ['jwt'],
  claims: { subject: ['oid'], client: ['azp', 'appid'], session: ['sid'] },
  checkKind: onlyWith('azpacr', 'appidacr'),
  check({ tid, ver }, { tenant, issuer }) {
    if (tenant === null || tid !== tenant) return 'token_tenant'
    return ver === (issuer.endsWith('/v2.0') ? '2.0' : '1.0') ? null : 'token_version'
  },
  // `idtyp` is optional; delegated tokens always say what the person let the client do.
  isService: ({ idtyp, scp }) => (idtyp === undefined ? scp === undefined : idtyp !== 'user'),
}

/**
 * Google: its access tokens are opaque, so that its ID tokens are what services show each other. Anybody can have one for
 * any audience: the configuration must say whose. `hd` is the Workspace of a person; addresses of e-mail change hands.
 * Source: “OpenID Connect: An ID token’s payload”, developers.google.com/identity; “Get an ID token”, cloud.google.com.
 */
const google: Preset = {
  ...generic,
  types: ['jwt'],
  claims: { subject: ['sub'], client: ['azp'], session: [] },
  checkKind: () => null,
}

/**
 * Keycloak: the type that counts stands in the claims (`typ: Bearer` or `DPoP`; `ID`, `Refresh` … are other things). Roles
 * are nested: `/realm_access/roles`, `/resource_access/<client>/roles`. Only of a service account the scope
 * `service_account` says `client_id`, `clientHost` and `clientAddress`. Source: `org.keycloak.util.TokenUtil`, “Server Administration Guide: Service accounts”.
 */
const keycloak: Preset = {
  ...generic,
  types: ['jwt', 'at+jwt'],
  claims: { subject: ['sub'], client: ['azp'], session: ['sid', 'session_state'] },
  checkKind: () => null,
  check({ typ, cnf }) {
    if (typ === 'DPoP') return readClaim({ cnf }, '/cnf/jkt') === undefined ? 'token_confirmation' : null
    if (typ === 'Bearer') return null
    return typ === 'ID' ? 'token_id_token' : 'token_not_access'
  },
  isService({ active, client_id, clientHost, clientAddress }, { client }) {
    // Answers to introspection add `client_id` to every token (RFC 7662 §2.2): there the rest of that scope decides.
    const isOfScope = active === undefined || clientHost !== undefined || clientAddress !== undefined
    return isOfScope && client_id !== undefined && client_id === client
  },
}

/**
 * GitHub Actions: one issuer for every repository there is, each of which may ask for any audience: the configuration must
 * say whose. `repository_id` and `repository_owner_id` stay when names change hands. Always a program.
 * Source: “OpenID Connect reference”, docs.github.com/actions/reference/security/oidc.
 */
const githubActions: Preset = {
  ...generic,
  types: ['jwt'],
  claims: { subject: ['sub'], client: [], session: [] },
  checkKind: () => null,
  check: claims => (['repository', 'repository_owner'].every(name => isText(claims[name])) ? null : 'token_not_access'),
  isService: () => true,
}

/**
 * Kubernetes: projected tokens of service accounts, without `typ`. Always a program. Tokens of the old kind, which never
 * end and have no audience, are refused. Source: “Managing Service Accounts: Schema for service account private claims”,
 * kubernetes.io/docs/reference/access-authn-authz.
 */
const kubernetes: Preset = {
  ...generic,
  types: [null],
  claims: { subject: ['sub'], client: [], session: [] },
  checkKind: () => null,
  check(claims) {
    const [namespace, account] = ['namespace', 'serviceaccount/name'].map(at =>
      readClaim(claims, `/kubernetes.io/${at}`),
    )
    return claims.sub === `system:serviceaccount:${namespace}:${account}` ? null : 'token_subject'
  },
  isService: () => true,
}

/** What is known of each provider, by the name of its preset. */
export const presets = {
  generic,
  auth0,
  okta,
  cognito,
  entra,
  google,
  keycloak,
  'github-actions': githubActions,
  kubernetes,
} as const satisfies Record<string, Preset>

/** What only ID tokens have (OpenID Connect Core §2, §3.3.2.11; `s_hash`: FAPI 1.0 part 2, §5.1). */
const OF_ID_TOKENS = ['nonce', 'at_hash', 'c_hash', 's_hash']

/** Takes what has one of these claims, which this provider’s ID tokens lack, and none that only ID tokens have. */
function onlyWith(...marks: readonly string[]): (claims: Claims) => TokenFault | null {
  const has = (claims: Claims) => (name: string) => claims[name] !== undefined
  return claims => {
    if (OF_ID_TOKENS.some(has(claims)) || claims.token_use === 'id') return 'token_id_token'
    return marks.some(has(claims)) ? null : 'token_not_access'
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
