import { Environment } from '../../src/config/variables.js'
import { code, page, table } from './markdown.js'

type Variable = {
  description: string
  default?: string | number
  secret?: boolean
  values?: string[]
}

const variables = Object.entries(Environment.properties as unknown as Record<string, Variable>)

const intro = `By environment variables only, read once at the start. All faults are named at once, and none starts the server. A
variable that holds a secret can instead name a file, as \`NAME_FILE\`. [.env.example](../../.env.example) lists them all for
Docker Compose.`

export function configurationPage(): string {
  const rows = variables.map(([name, { default: value, description, secret, values }]) => [
    code(name),
    code(String(value ?? '')),
    description +
      (values ? ` (${values.map(code).join(', ')})` : '') +
      (secret ? `; also as \`${name}_FILE\`` : ''),
  ])
  return page('Configuration', intro, table(['variable', 'default', 'what'], rows))
}

export function exampleFile(): string {
  const lines = variables.map(([name, { default: value, description, values }]) => {
    const text = description + (values ? ` (${values.join(', ')})` : '')
    return `# ${text}\n# ${name}=${String(value ?? '')}\n`
  })
  return [
    '# Every variable with its default. Uncomment what you change: `npm start` reads the environment, not this file;\n' +
      '# docker compose reads a copy of it named .env.\n',
    ...lines,
  ].join('\n')
}
