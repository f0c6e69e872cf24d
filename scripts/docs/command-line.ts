import type { Command } from 'commander'
import { createProgram } from '../../src/commands/program.js'
import { code, page, table } from './markdown.js'

const intro = `\`gatehouse\` reads the same [environment](configuration.md) as the server. Call it as \`npx gatehouse\` in this folder, or in
the container as \`docker compose exec gatehouse gatehouse …\`.`

export function commandLinePage(): string {
  const tools = new Proxy({}, { get: () => () => undefined })
  const rows = commandsOf(createProgram(tools as Parameters<typeof createProgram>[0]), '')
  return page('Command line', intro, table(['command', 'what'], rows))
}

function commandsOf(command: Command, before: string): string[][] {
  const name = `${before}${command.name()} `
  if (command.commands.length > 0) return command.commands.flatMap((each) => commandsOf(each, name))
  const args = command.registeredArguments.map((each) =>
    each.required ? each.name().toUpperCase() : `[${each.name().toUpperCase()}]`,
  )
  const shown = command.options.map(({ flags, mandatory }) => (mandatory ? flags : `[${flags}]`))
  const notes = command.options.map(({ flags, description }) => `${code(flags)}: ${description}`)
  const usage = [name.trim(), ...args, ...shown].join(' ')
  return [[code(usage), [command.description(), ...notes].join('. ')]]
}
