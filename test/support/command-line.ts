import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { forTests, keysSecret } from './app.js'

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Runs the command line as a person would: its exit code and what it printed. */
export async function gatehouse(
  url: string,
  args: string[],
  env: Record<string, string> = {},
  input = '',
  cwd = tmpdir(), // without a .env
) {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: {
      PATH: process.env.PATH,
      KEYS_SECRET: keysSecret,
      ...(url && { DATABASE_URL: url }),
      ...forTests,
      ...env,
    },
  })
  child.stdin.end(input)
  const [out, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code: child.exitCode, out, errors }
}
