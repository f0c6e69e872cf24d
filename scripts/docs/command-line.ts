import type { Command } from 'commander'
import { examplesOf } from '../../src/commands/examples.js'
import { createProgram } from '../../src/commands/program.js'
import { sampleOf } from './command-samples.js'
import { code, page, table } from './markdown.js'

const intro = `\`gatehouse\` reads the same [environment](configuration.md) as the server, and a file \`.env\` in the current folder. Call
it as \`npx gatehouse\` in this folder, or in the container as \`docker compose exec gatehouse gatehouse …\`.

- Results are on stdout, and errors on stderr. A list has a line of names, then a line for each item, with tabs between the columns.
- \`--json\` prints one JSON array or object. A time is ISO 8601 in UTC. What is not set is \`null\`, and an empty column in a list.
- A command exits with 0 if it succeeded, and with 1 otherwise. \`gatehouse import\` exits with 2 if it ran to its end and refused rows. \`gatehouse login\`, \`token\` and \`logout\` exit with 4 after a refusal and with 5 after an outage. An error is a sentence that says what to do.
- \`gatehouse --version\` prints the version. \`--help\` after any command prints what this page shows.`

/** A table of all commands, then each with its help, its examples and its output on invented data. */
export async function commandLinePage(): Promise<string> {
  const tools = new Proxy({}, { get: () => () => undefined })
  const commands = leavesOf(createProgram(tools as Parameters<typeof createProgram>[0]), '')
  const rows = commands.map(({ name, command }) => [
    `[${code(usageOf(name, command))}](#${name.replaceAll(' ', '-')})`,
    command.description(),
  ])
  const sections = await Promise.all(commands.map(sectionOf))
  return page('Command line', intro, table(['command', 'what'], rows), ...sections)
}

type Leaf = { name: string; command: Command }

function leavesOf(command: Command, before: string): Leaf[] {
  const name = `${before}${command.name()}`
  return command.commands.length > 0
    ? command.commands.flatMap((each) => leavesOf(each, `${name} `))
    : [{ name, command }]
}

function usageOf(name: string, command: Command): string {
  const args = command.registeredArguments.map((each) =>
    each.required ? each.name().toUpperCase() : `[${each.name().toUpperCase()}]`,
  )
  const shown = command.options.map(({ flags, mandatory }) => (mandatory ? flags : `[${flags}]`))
  return [name, ...args, ...shown].join(' ')
}

async function sectionOf({ name, command }: Leaf): Promise<string> {
  const verb = name.replace('gatehouse ', '')
  const hasJson = command.options.some(({ long }) => long === '--json')
  const help = command.configureHelp({ helpWidth: 100 }).helpInformation()
  const output = await sampleOf(verb)
  const json = hasJson ? await sampleOf(verb, true) : undefined
  return [
    `## ${name}`,
    block('text', help.trim()),
    block('sh', examplesOf(command).join('\n')),
    ...(output === undefined ? [] : ['It prints:', block('text', output)]),
    ...(json === undefined ? [] : ['With `--json`:', block('json', json)]),
  ].join('\n\n')
}

const fence = '```'
const block = (language: string, text: string) => `${fence}${language}\n${text}\n${fence}`
