/** What the sandbox writes at most where a call does not say, in tokens: like a model, it has an end. */
export const SANDBOX_MAX_OUTPUT_TOKENS = 4096
