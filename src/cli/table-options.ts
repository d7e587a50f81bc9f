/** Options that many commands of the table have. */
export const tableOptions = {
  json: { type: 'boolean', description: 'print JSON and nothing else' },
  config: { type: 'string', value: 'FILE', description: 'configuration file' },
} as const

/** An option with a value. */
export const text = (value: string, description: string) => ({ type: 'string', value, description }) as const

/** The same, which may be given again. */
export const texts = (value: string, description: string) =>
  ({ type: 'string', multiple: true, value, description }) as const

/** The same, without which the command is wrong usage. */
export const needed = (value: string, description: string) =>
  ({ type: 'string', value, required: true, description }) as const
