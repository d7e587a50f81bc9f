/** How long before its end, in ms, a key's holder and its owner are told of it. */
export const EXPIRY_NOTICE_MS = 7 * 86_400_000
