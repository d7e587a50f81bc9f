import { anthropic } from './anthropic.ts'
import { gemini } from './gemini.ts'
import { openai } from './openai.ts'
import type { FormatName, WireFormat } from './wire-format.ts'

/** The dialects by name. */
export const formats: Readonly<Record<FormatName, WireFormat>> = { openai, anthropic, gemini }
