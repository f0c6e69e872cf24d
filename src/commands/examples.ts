import type { Command } from 'commander'

const examples = new WeakMap<Command, string[]>()

/** Shows examples below the help of a command, and in docs/reference/command-line.md. */
export function addExamples(command: Command, ...lines: string[]): Command {
  examples.set(command, lines)
  const list = lines.map((line) => `\n  ${line}`).join('')
  return command.addHelpText('after', `\nExamples:${list}`)
}

export const examplesOf = (command: Command): string[] => examples.get(command) ?? []
