import type { ProblemType } from './problem-type.ts'

/** What operators meet: in the admin API, at the start and on the command line. */
export const operatorProblems = {
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
  'key.rotation_pending': {
    status: 409,
    title: 'A key is published already that is yet to sign',
    help: 'Wait until it signs: `ostiary identity-keys list` says when. Where a key may be known to others, `ostiary identity-keys rotate --now` replaces all of them at once.',
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
  'event.not_found': {
    status: null,
    title: 'There is no event of this request',
    help: 'Take the `x-request-id` of an answer of this gateway. Events are read from the database that the configuration names, and kept as long as `audit.retentionDays` says.',
  },
  'policy.cases_invalid': {
    status: null,
    title: 'The cases for policies are not valid',
    help: 'Each line says where and what; nothing was tested. The guide on policies shows what a case may say.',
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
  'issuer.not_found': {
    status: 404,
    title: 'There is no such identity provider',
    help: 'List those of the configuration in effect with `ostiary issuers list`.',
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
  'revocation.not_found': {
    status: 404,
    title: 'There is no such entry in the revocation list',
    help: 'List the entries with `ostiary revocations list`; one is deleted by itself once no token can need it.',
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
