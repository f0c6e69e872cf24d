import { createPrompts } from './prompts.js'

/**
 * Reads a password from the terminal without echoing it, or the first line of a pipe.
 * @throws OperatorError if there is none
 */
export async function readPassword(question: string): Promise<string> {
  const prompts = createPrompts()
  try {
    return await prompts.ask(question)
  } finally {
    prompts.close()
  }
}
