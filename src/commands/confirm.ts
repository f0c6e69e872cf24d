import { createInterface } from 'node:readline/promises'
import { OperatorError } from '../errors.js'

/** Asks the person at the terminal. */
export type Confirm = (question: string) => Promise<boolean>

/** A question on stderr, so that stdout has only the result; undefined if no person can answer. */
export function createConfirm(): Confirm | undefined {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined
  return async (question) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr })
    try {
      return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
    } finally {
      lines.close()
    }
  }
}

/** @throws OperatorError unless the person says yes */
export async function requireYes(confirm: Confirm | undefined, question: string): Promise<void> {
  if (!confirm)
    throw new OperatorError(
      'This command asks for a confirmation on a terminal: add --yes to confirm without one',
    )
  if (!(await confirm(question))) throw new OperatorError('Nothing has changed')
}
