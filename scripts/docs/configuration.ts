import { Environment } from '../../src/config/variables.js'
import { code, page, table } from './markdown.js'

type Variable = {
  description: string
  default?: string | number
  secret?: boolean
  values?: string[]
}

const variables = Object.entries(Environment.properties as unknown as Record<string, Variable>)

const intro = `By environment variables, read once at the start. A file \`.env\` in the current folder may hold them too: \`npm start\`,
\`npx gatehouse\` and Docker Compose read it, and the environment wins. [.env.example](../../.env.example) is a template.

A fault keeps the server from starting. All faults are listed at once, each with its value, unless it may be a secret. A variable that looks
like one of these, such as \`DATABSE_URL\`, is named in a warning. A secret can instead be in a file, as \`NAME_FILE\`.`

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
    '# Every variable with its default. Copy this file to .env and uncomment what you change: `npm start`,\n' +
      '# `npx gatehouse` and docker compose read .env. A variable of the environment wins.\n',
    ...lines,
  ].join('\n')
}
