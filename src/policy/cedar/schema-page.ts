import { type Action, modelActions } from '#core/action.ts'
import { shippedRoles } from '#core/roles.ts'
import { principalAttributes, stableContext, volatileContext } from './attributes.ts'
import { makeSchema } from './schema.ts'
import { shippedPolicies } from './shipped-policies.ts'

const EXAMPLE: readonly Action[] = [
  { id: 'catalog.read', scopes: ['catalog:read'], group: 'services.read' },
  { id: 'catalog.write', scopes: ['catalog:write'], group: 'services.write' },
  { id: 'catalog.connect', scopes: ['catalog:connect'], group: 'services.connect' },
]

/** The reference page of what policies can name and read, in Markdown. */
export function makeSchemaPage(): string {
  const schema = makeSchema({
    roles: shippedRoles,
    actions: [...modelActions.filter(({ group }) => group === 'models.call'), ...EXAMPLE],
    modelGroups: { cheap: [] },
    models: [],
    providers: ['openai', 'sandbox'],
    services: ['catalog'],
    issuers: ['company'],
  })
  const remembered = new Set(Object.keys(stableContext))
  const context = Object.entries({ ...stableContext, ...volatileContext }).map(
    ([name, { type, of, optional, about }]) => [
      `\`context.${name}\``,
      typeOf(type, optional),
      of === undefined ? 'all' : of,
      remembered.has(name) ? 'yes' : name === 'ip' ? 'by itself' : 'no',
      about,
    ],
  )
  const principal = Object.entries(principalAttributes).map(([name, { type, token, optional, about }]) => [
    `\`principal.${name}\``,
    typeOf(type, optional),
    token ? 'User, ServiceAccount' : 'all',
    about,
  ])
  const shipped = shippedPolicies().map(({ text }) => text)
  return `# What policies can name and read

Policies are written in [Cedar](https://docs.cedarpolicy.com). They are held against a schema that is made of the names of the
configuration: its roles, issuers, providers, groups of models and services are closed lists, and a policy that names another is
refused. Below is that of a configuration with one issuer (\`company\`), one service (\`catalog\`) and one group of models (\`cheap\`).

## Attributes of the caller

${table(['attribute', 'type', 'of', 'what'], principal)}

Metadata of an API key are its tags: \`principal.hasTag("team") && principal.getTag("team") == "search"\`.

## Context

What a decision is remembered by does not change from one call to the next. A policy that
reads of the others the address alone is asked once for each address; one that reads any other is asked at each call.

${table(['attribute', 'type', 'calls to', 'remembered', 'what'], context)}

## Annotations

| annotation | what |
|---|---|
| \`@id("…")\` | Name of the policy in events, refusals of a reload and explanations: 1 to 64 letters, digits, \`.\`, \`_\` and \`-\`. Without it the name of the file and the number of the policy there: \`access.cedar#2\`. |
| \`@shadow\` | Asked and recorded, never enforced. |
| \`@description("…")\` | For people. |

Any other is refused. Templates are, and numbers beyond ±9007199254740991.

## Schema

\`\`\`cedarschema
${schema.trimEnd()}
\`\`\`

## Shipped policies

\`\`\`cedar
${shipped.join('\n\n')}
\`\`\`
`
}

function typeOf(type: string, optional: true | undefined): string {
  return `\`${type}\`${optional ? ', optional' : ''}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
  return lines
    .join('\n')
    .replace(/\| --- /g, '|---')
    .replace(/--- \|/g, '---|')
}
