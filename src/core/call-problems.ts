import type { ProblemType } from './problem-type.ts'

/** What callers of models meet. */
export const callProblems = {
  'auth.missing_credential': {
    status: 401,
    title: 'No credential was sent',
    help: 'Send an API key as `Authorization: Bearer <key>` or in `x-api-key`, `api-key`, `x-goog-api-key` or `x-ostiary-key`.',
  },
  'auth.invalid_credential': {
    status: 401,
    title: 'The credential is not valid',
    help: 'Check that the key or access token is complete, unexpired and not revoked, and that a token is of an issuer and for an audience that the gateway is configured with; one that is bound needs its proof. Answer a challenge in `WWW-Authenticate`, such as `use_dpop_nonce`. The gateway’s record of the call says which check refused it; the answer never does.',
  },
  'auth.multiple_credentials': {
    status: 400,
    title: 'More than one credential was sent',
    help: 'Send one credential. The same value in two headers counts as one; two different values are refused (RFC 6750 §2).',
  },
  'auth.credential_in_query': {
    status: 400,
    title: 'A credential was sent in the query string',
    help: 'Send the key in a header: addresses end up in logs and referrers. A key that was sent this way should be replaced.',
  },
  'auth.insufficient_authentication': {
    status: 401,
    title: 'A stronger or more recent authentication is required',
    help: 'Log in again as the challenge says (`acr_values`, `max_age`; RFC 9470) and call with the new token. `issuers.*.authentication` is what is asked for.',
  },
  'auth.too_many_proofs': {
    status: 503,
    title: 'There is no room to remember the proof of possession',
    help: 'Try again shortly with a new proof. The operator raises `dpop.rememberedProofs`, or lowers `dpop.maxAgeSeconds`.',
  },
  'auth.issuer_unavailable': {
    status: 503,
    title: 'The token cannot be checked now',
    help: 'The keys of the token’s issuer cannot be had, or its introspection endpoint does not answer. Try again shortly; `ostiary issuers check` says what is wrong.',
  },
  'policy.environment': {
    status: 403,
    title: 'The key’s environment does not reach this model or service',
    help: 'A test key reaches only services tagged `test` and models on providers tagged `test`, such as `sandbox`; a live key never reaches the sandbox.',
  },
  'policy.address': {
    status: 403,
    title: 'This may not be done from this address',
    help: 'Call from an address that `access`, the project and the key allow and do not deny; `ostiary keys update --cidr --deny-cidr` and `ostiary projects update` change the latter two.',
  },
  'policy.scope': {
    status: 403,
    title: 'The key lacks the scope of this operation',
    help: 'Use a key that has the scope named in the detail, or add it with `ostiary keys update --scopes`.',
  },
  'policy.operation': {
    status: 403,
    title: 'The key may not use this operation',
    help: 'Use a key that may use the operation named in the detail, or add it with `ostiary keys update --operations`.',
  },
  'policy.model': {
    status: 403,
    title: 'The key may not use this model',
    help: 'Ask `GET /v1/models` for the models that this key may use, or add it with `ostiary keys update --models`.',
  },
  'policy.requirement': {
    status: 403,
    title: 'The operation asks for another kind of caller',
    help: 'The detail says what would do: another kind of credential, a role, or one that is bound to its sender. The operator wrote it in `require`.',
  },
  'policy.denied': {
    status: 403,
    title: 'The policies do not allow this',
    help: 'Ask the operator: the event of the call names the policies that refused it, and `ostiary policy explain` says why. A caller without a policy that permits the call is refused.',
  },
  'policy.caller_token': {
    status: 403,
    title: 'The model or service takes the caller’s own access token only',
    help: 'Call with an access token of the issuer that the provider or service names (`callerToken`), one that is not bound to its sender: it is passed on to the server, which takes no API keys of the gateway.',
  },
  'route.not_found': {
    status: 404,
    title: 'There is nothing at this path',
    help: 'Check the base URL of the client and the list of endpoints in the guide.',
  },
  'route.method_not_allowed': {
    status: 405,
    title: 'The method is not allowed at this path',
    help: 'The `Allow` header lists the methods that are.',
  },
  'route.stateful_operation': {
    status: 403,
    title: 'The operation reads or writes state in the provider’s account',
    help: 'Tenants share that account, so files, batches, stored responses, conversations, cached contents and containers are refused until their ownership is tracked.',
  },
  'decide.malformed': {
    status: 400,
    title: 'The proxy’s question cannot be read',
    help: 'The detail names what is missing, said twice or contradicted. The operator of the proxy finds a configuration that asks rightly in the guide.',
  },
  'decide.not_decidable': {
    status: 403,
    title: 'Nothing can be decided about this request',
    help: 'A proxy may ask about calls to services only. The operator adds the service to `services`, or asks about fewer paths.',
  },
  'request.invalid_path': {
    status: 400,
    title: 'The path is not canonical',
    help: 'Send a path without dot segments, empty segments, segments that end in a dot or begin or end with a space, `;` in paths of services, backslashes, control or invisible characters, encoded separators and escapes, and in Unicode normalization form C.',
  },
  'request.client_address': {
    status: 400,
    title: 'Where the request comes from cannot be told',
    help: 'The proxy in front is trusted, and must say in its header, or by the PROXY protocol, for whom it speaks: addresses only, 32 at most. Clients behind proxies of their own send none of these headers. The record of the refusal says what was wrong.',
  },
  'request.malformed': {
    status: 400,
    title: 'The request is not valid HTTP',
    help: 'Check the client and any proxy before the gateway: the head could not be parsed, or its lengths disagree.',
  },
  'request.head_too_large': {
    status: 431,
    title: 'The request’s head is too large',
    help: 'Send fewer or shorter headers; the bound is 16 KiB for the whole head.',
  },
  'request.timeout': {
    status: 408,
    title: 'The request was not received in time',
    help: 'Send the head and the body without pauses; `requests.timeoutMs` is the bound.',
  },
  'request.unsupported_media_type': {
    status: 415,
    title: 'The body is not declared as JSON',
    help: 'Send `Content-Type: application/json`, in UTF-8 and without a content encoding.',
  },
  'request.too_large': {
    status: 413,
    title: 'The body is too large',
    help: 'Send a smaller body; `requests.maxBodyBytes` is the bound, for a service its own `maxBodyBytes`.',
  },
  'request.not_json': {
    status: 400,
    title: 'The body is not valid JSON',
    help: 'Send one JSON value in UTF-8 (RFC 8259).',
  },
  'request.duplicate_member': {
    status: 400,
    title: 'The JSON body names a member twice',
    help: 'Name each member once: a gateway and a provider may each read another of the two (RFC 8259 §4).',
  },
  'request.forbidden_member': {
    status: 400,
    title: 'The JSON body has a forbidden member',
    help: 'Remove the member `__proto__`.',
  },
  'request.too_deep': {
    status: 400,
    title: 'The JSON body is nested too deeply',
    help: 'Send a flatter body; `requests.maxJsonDepth` is the bound.',
  },
  'request.invalid_body': {
    status: 400,
    title: 'The body does not fit the operation',
    help: 'The detail names the member and what it must be.',
  },
  'request.too_many_connections': {
    status: null,
    title: 'The address has too many connections',
    help: 'Keep connections open and use them again, or raise `requests.maxConnectionsPerAddress` or `maxNewConnectionsPerAddress`. Name a proxy that speaks for many in `requests.uncappedAddresses`.',
  },
  'request.max_output': {
    status: 400,
    title: 'More output is asked for than the model may write',
    help: 'Ask for no more tokens than the detail says, or leave the maximum out.',
  },
  'request.caller_hung_up': {
    status: null,
    title: 'The caller hung up before the answer was complete',
    help: 'Nothing to do; the exchange with the provider was stopped, or read on within a bound, as `requests.onHangUp` says.',
  },
  'model.not_found': {
    status: 404,
    title: 'The model does not exist',
    help: 'Ask `GET /v1/models` for the models that this key may use.',
  },
  'model.wrong_format': {
    status: 400,
    title: 'The model speaks another format',
    help: 'Call the model at the endpoint of its own format; the detail names it.',
  },
  'limits.rate_exceeded': {
    status: 429,
    title: 'The rate limit is reached',
    help: 'Wait as long as `Retry-After` says. Where `x-should-retry` is `false` the wait is over a minute, or the call is larger than the limit itself.',
  },
  'limits.concurrency_exceeded': {
    status: 429,
    title: 'Too many calls are under way at once',
    help: 'Wait until one of them has ended, then repeat the call.',
  },
  'limits.too_many_counters': {
    status: 503,
    title: 'There is no room to count the call',
    help: 'Try again shortly. What cannot be counted is not let through; the operator finds fewer dimensions or more room for counters in the guide.',
  },
  'budget.exhausted': {
    status: 402,
    title: 'The budget does not allow this call',
    help: 'Do not repeat the call: wait for the next period, ask for a larger budget, or send a smaller call with a lower maximum of output tokens.',
  },
  'budget.unbounded': {
    status: 400,
    title: 'The call has no upper bound, which its budget needs',
    help: 'Set a maximum of output tokens, and leave out what has no bound, such as images by address or tools that run at the provider.',
  },
  'budget.no_price': {
    status: 403,
    title: 'The model has no price, which a budget in money needs',
    help: 'Use a model that has a price, or have the operator give it one in the configuration.',
  },
  'upstream.unreachable': {
    status: 502,
    title: 'The provider could not be reached',
    help: 'Try again; if it stays, check the provider’s `baseUrl` and the network of the gateway.',
  },
  'upstream.address_refused': {
    status: 502,
    title: 'The provider’s name leads to a private address',
    help: 'Give the provider `allowPrivateNetwork: true` if it is meant to be inside your network.',
  },
  'upstream.timeout': {
    status: 504,
    title: 'The provider did not answer in time',
    help: 'Try again; `providers.<name>.timeoutMs` and `idleTimeoutMs` are the bounds.',
  },
  'upstream.broken': {
    status: 502,
    title: 'The provider’s answer broke off or was not HTTP',
    help: 'Try again; a stream that had begun ends with an error event instead.',
  },
  'store.unavailable': {
    status: 503,
    title: 'The store cannot answer',
    help: 'Try again shortly. The operator finds the cause in the gateway’s log: database down, locked or disk full.',
  },
  'store.conflict': {
    status: 409,
    title: 'The object exists already',
    help: 'Choose another id or name.',
  },
  'events.not_recordable': {
    status: 503,
    title: 'Calls cannot be recorded',
    help: 'No call is forwarded that cannot be recorded. The operator frees disk space or repairs the store; service resumes by itself.',
  },
  'gateway.overloaded': {
    status: 503,
    title: 'The gateway is overloaded',
    help: 'Wait as long as `retry-after` says and try again. The operator gives the gateway more cores, or finds in its metrics which project asks for more than its share.',
  },
  'gateway.stopped': {
    status: null,
    title: 'The gateway stopped before the call had ended',
    help: 'A stop waits `drainTimeoutMs` for running calls; raise it if calls last longer. Callers may repeat the call.',
  },
  'gateway.internal': {
    status: 500,
    title: 'The gateway failed',
    help: 'This is a defect of the gateway. Report it with the request id.',
  },
} satisfies Record<string, ProblemType>
