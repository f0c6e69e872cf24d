import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { OperatorError } from '../errors.js'

export type Prompts = ReturnType<typeof createPrompts>

/** Asks for secrets: at a terminal without echoing them, or from the lines of a pipe, one line each. */
export function createPrompts() {
  const isTerminal = process.stdin.isTTY
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal })
  // Made before the first question: it keeps lines that arrive earlier.
  const answers: AsyncIterator<string, undefined> = lines[Symbol.asyncIterator]()

  return {
    /** @throws OperatorError if there is no further line */
    async ask(question: string): Promise<string> {
      if (isTerminal)
        process.stderr.write(`${question.charAt(0).toUpperCase()}${question.slice(1)}: `)
      try {
        for (;;) {
          const { done, value } = await answers.next()
          if (done)
            throw new OperatorError(
              `No ${question} was given: enter it at the prompt, or pipe it to stdin`,
            )
          if (value !== '') return value
        }
      } finally {
        if (isTerminal) process.stderr.write('\n')
      }
    },

    close: (): void => lines.close(),
  }
}
