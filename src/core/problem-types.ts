/** Everything that can go wrong, by code. `status` is the HTTP answer; null = never sent over HTTP (start-up, CLI, event only). */
interface ProblemType {
  readonly status: number | null
  readonly title: string
  /** What the reader can do about it, one sentence. */
  readonly help: string
}

const registry = {
  'auth.missing_credential': {
    status: 401,
    title: 'No credential was sent',
    help: 'Send an API key as `Authorization: Bearer <key>` or in `x-api-key`, `api-key`, `x-goog-api-key` or `x-ostiary-key`.',
  },
  'auth.invalid_credential': {
    status: 401,
    title: 'The credential is not valid',
    help: 'Check that the key is complete, unexpired and not revoked. The gateway’s record of the call says which check refused it; the answer never does.',
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
  'policy.environment': {
    status: 403,
    title: 'The key’s environment does not reach this model',
    help: 'A test key reaches only models on providers tagged `test`, such as `sandbox`; a live key never reaches the sandbox.',
  },
  'policy.address': {
    status: 403,
    title: 'The key may not be used from this address',
    help: 'Call from an address inside the key’s CIDRs, or change them with `ostiary keys update --cidr`.',
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
  'request.invalid_path': {
    status: 400,
    title: 'The path is not canonical',
    help: 'Send a path without dot segments, empty segments, backslashes, control characters or encoded separators.',
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
    help: 'Send a smaller body; `requests.maxBodyBytes` is the bound.',
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
  'admin.unauthorized': {
    status: 401,
    title: 'The admin credential is missing or not valid',
    help: 'Send a valid operator token as `Authorization: Bearer <token>`. The bootstrap token of the data directory is one until the first operator token with `tokens:write` is made.',
  },
  'admin.forbidden': {
    status: 403,
    title: 'The token does not allow this operation',
    help: 'Use a token that has the scope named in the detail.',
  },
  'admin.host_refused': {
    status: 421,
    title: 'The host or origin is not the admin listener’s',
    help: 'Call the admin listener by the host name of its configured address (protection against DNS rebinding).',
  },
  'admin.precondition_failed': {
    status: 412,
    title: 'The object was changed by somebody else meanwhile',
    help: 'Read it again and repeat the change with the new `ETag` in `If-Match` (RFC 9110 §13.1.1).',
  },
  'admin.invalid_input': {
    status: 400,
    title: 'The input does not fit the operation',
    help: 'The detail names the member and what it must be.',
  },
  'admin.too_many_failures': {
    status: 429,
    title: 'Too many admin credentials from this address were not valid',
    help: 'Wait as long as `Retry-After` says. A valid token is let through meanwhile.',
  },
  'admin.idempotency_mismatch': {
    status: 422,
    title: 'The idempotency key belongs to another request',
    help: 'Send a new `Idempotency-Key` for each new request; send the same one only to repeat a request unchanged.',
  },
  'admin.idempotency_in_flight': {
    status: 409,
    title: 'The first request with this idempotency key has not ended',
    help: 'Wait and repeat the request. If it stays, the first attempt was cut off: look whether it was done, then use a new key.',
  },
  'token.not_found': {
    status: 404,
    title: 'There is no such operator token',
    help: 'List the tokens with `ostiary tokens list`.',
  },
  'token.lifetime_exceeded': {
    status: 400,
    title: 'The operator token would live longer than allowed',
    help: 'Ask for a shorter lifetime or raise `admin.tokens.maxLifetimeDays`.',
  },
  'token.exceeds_own_rights': {
    status: 403,
    title: 'The operator token would have more rights than the one that makes it',
    help: 'Ask for scopes, projects and an end within those of the token in use; the detail names what is beyond.',
  },
  'key.not_found': {
    status: 404,
    title: 'There is no such key',
    help: 'List the keys with `ostiary keys list`.',
  },
  'key.ended': {
    status: 409,
    title: 'The key has ended',
    help: 'A revoked key never comes back, and an expired one is not rotated: mint a new one, or extend an expired one first.',
  },
  'leak.unverified': {
    status: 403,
    title: 'The report is not signed by a reporter that is trusted',
    help: 'Sign the bytes of the body by ECDSA on P-256 with SHA-256, and name the key; the gateway trusts those of `keys.leakReports`.',
  },
  'leak.too_many_reports': {
    status: 429,
    title: 'Too many reports of leaked keys came in the last minute',
    help: 'Send the report again after the seconds in `retry-after`, or put more tokens into one; `keys.leakReports.maxReportsPerMinute` is the bound.',
  },
  'key.too_many_secrets': {
    status: 409,
    title: 'Too many secrets of the key still work',
    help: 'Wait until the grace of an earlier rotation is over, or rotate with a grace of 0, which ends them all.',
  },
  'project.not_found': {
    status: 404,
    title: 'There is no such project',
    help: 'List the projects with `ostiary projects list`.',
  },
  'project.not_deletable': {
    status: 409,
    title: 'The project cannot be deleted',
    help: 'Revoke all its keys first; the project `default` always stays.',
  },
  'key.lifetime_exceeded': {
    status: 400,
    title: 'The key would live longer than allowed',
    help: 'Ask for a shorter lifetime or raise `keys.maxLifetimeDays`.',
  },
  'secret.not_found': {
    status: 404,
    title: 'There is no such secret',
    help: 'List the secrets with `ostiary secrets list`.',
  },
  'secret.in_use': {
    status: 409,
    title: 'The configuration in effect refers to the secret',
    help: 'Remove the reference, apply the configuration, then delete the secret.',
  },
  'secret.unreadable': {
    status: 500,
    title: 'A sealed secret cannot be opened',
    help: 'Bring back the key-encryption key that it is under, or set the secret anew: the key is another one, or what is stored was changed.',
  },
  'secret.too_many': {
    status: 409,
    title: 'The vault holds no more secrets',
    help: 'Delete secrets that nothing refers to.',
  },
  'backup.unreadable': {
    status: null,
    title: 'The backup cannot be opened',
    help: 'Check the passphrase and take the file from its source again: with another passphrase, or if a byte of it was changed, moved or cut off, nothing is restored.',
  },
  'backup.not_possible': {
    status: null,
    title: 'This cannot be backed up or restored here',
    help: 'The detail names what to do instead.',
  },
  'config.invalid': {
    status: 400,
    title: 'The configuration is not valid',
    help: 'Each line of the detail names a place and what is expected there; `docs/reference/configuration.md` lists every member.',
  },
  'start.port_in_use': {
    status: null,
    title: 'The port is in use',
    help: 'Stop the other program or set `listeners.<name>.port`.',
  },
  'start.data_directory_in_use': {
    status: null,
    title: 'Another Ostiary runs on this data directory',
    help: 'Stop it first, or set `OSTIARY_DATA_DIR`.',
  },
  'start.database_in_use': {
    status: null,
    title: 'Another Ostiary runs on this database',
    help: 'One node may use a database until shared counters are configured.',
  },
  'start.database_newer': {
    status: null,
    title: 'A newer Ostiary has changed this database',
    help: 'Run that version, or restore a backup made before it.',
  },
  'start.data_directory_unusable': {
    status: null,
    title: 'The data directory cannot be made or is not ours',
    help: 'Give this user a folder of its own, or set `OSTIARY_DATA_DIR`.',
  },
  'start.data_directory_incomplete': {
    status: null,
    title: 'The data directory lacks a file that belongs to its database',
    help: 'Restore the file from a backup: without it the keys and secrets of this database can no longer be read.',
  },
  'cli.usage': {
    status: null,
    title: 'The command was not understood',
    help: 'See `ostiary --help`.',
  },
  'cli.no_token': {
    status: null,
    title: 'There is no operator token to use',
    help: 'Put one into `OSTIARY_TOKEN`, or name a file of yours that holds one in `OSTIARY_TOKEN_FILE`; `ostiary tokens reset` helps where all are lost.',
  },
  'cli.not_running': {
    status: null,
    title: 'The gateway does not answer',
    help: 'Start it with `ostiary start`, or check `listeners.admin`.',
  },
  'cli.destination_failed': {
    status: null,
    title: 'The destination did not take the events',
    help: 'Check its address, that it speaks TLS, and that `--ca` holds the authority that signed its certificate.',
  },
} satisfies Record<string, ProblemType>

export type ProblemCode = keyof typeof registry

export const problemTypes: Readonly<Record<ProblemCode, ProblemType>> = registry
