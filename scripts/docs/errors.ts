import { errors } from '../../src/errors.js'
import { help } from '../../src/pages/reference/error-help.js'
import { code, page, table } from './markdown.js'

const intro = `An error is \`{"status":"error","code","message"}\`, with \`errors: [{field, message}]\` if fields are wrong:
at most 16 of them, each with its first fault. Codes and fields are stable; messages are sentences for people. Under \`/oauth/\` an error
has the shape of RFC 6749: \`{"error","error_description"}\`.

A request is checked against its schema first. Only if it matches are addresses, usernames and new passwords checked.

Every 401 has a \`WWW-Authenticate\` challenge: \`Bearer\` (RFC 6750), or \`Basic\` at \`/oauth/*\`. Every 503 has a \`Retry-After\`.

[Fix what goes wrong](../troubleshooting.md) says more about the frequent ones.`

export function errorsPage(): string {
  const rows = Object.entries(errors).map(([name, [status, message]]) => [
    code(name),
    String(status),
    message,
    help[name as keyof typeof help],
  ])
  return page('Errors', intro, table(['code', 'status', 'message', 'cause and fix'], rows))
}
