/**
 * How secrets begin that are no tokens of an issuer, but that people mistake for what to send here. Asking about one would
 * tell it to the issuer, which has no business with it. API keys of this gateway are told apart by their whole beginning.
 */
const BEGINNINGS: readonly string[] = [
  // Tokens of this gateway's operators.
  'so_',
  // OpenAI, Anthropic, DeepSeek, OpenRouter, Stripe and others.
  'sk-',
  'sk_',
  'AIza', // Google
  'xai-',
  'gsk_', // Groq
  'hf_', // Hugging Face
  'nvapi-',
  'pplx-',
  // GitHub and GitLab.
  'ghp_',
  'gho_',
  'ghu_',
  'ghs_',
  'ghr_',
  'github_pat_',
  'glpat-',
  // Keys of AWS, lasting and temporary.
  'AKIA',
  'ASIA',
]

/** Whether a credential begins like somebody else's secret, and the issuer does not say that its own tokens begin so. */
export function isForeignSecret(credential: string, tokenPrefix: string): boolean {
  const beginning = BEGINNINGS.find(text => credential.startsWith(text))
  return beginning !== undefined && !tokenPrefix.startsWith(beginning)
}
