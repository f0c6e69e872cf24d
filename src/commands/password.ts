import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { OperatorError } from '../errors.js'

/**
 * Reads a password from the terminal without echoing it, or the first line of a pipe.
 * @throws OperatorError if there is none
 */
export async function readPassword(question: string): Promise<string> {
  const isTerminal = process.stdin.isTTY
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal })
  if (isTerminal) process.stderr.write(`${question}: `)
  try {
    for await (const line of lines) if (line !== '') return line
    throw new OperatorError('No password was given: enter it at the prompt, or pipe it to stdin.')
  } finally {
    lines.close()
    if (isTerminal) process.stderr.write('\n')
  }
}
