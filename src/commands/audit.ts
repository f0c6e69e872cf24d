import { Command, Option } from 'commander'
import { auditEvents } from '../features/audit/schemas.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { findUser } from './find-user.js'
import { jsonFlag, printCells, printJson, readId, wholeNumber, type Print } from './output.js'

type Tools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}
type Options = { user?: string; event?: string; before?: string; limit: number; json?: boolean }

/** `gatehouse audit`. */
export function auditCommand({ withServices, print }: Tools): Command {
  const command = new Command('audit')
    .description('list the audit log, one entry per line, the newest first')
    .option('--user <user>', 'only entries about this user; the id also finds a deleted user')
    .addOption(new Option('--event <event>', 'only this event').choices(auditEvents))
    .option('--before <id>', 'only entries older than this one: the id on the last line', readId)
    .addOption(
      new Option('--limit <number>', 'how many entries, 1 to 10000')
        .default(50)
        .argParser(wholeNumber(1, 10_000)),
    )
    .option(...jsonFlag)
    .action(({ user, event, before, limit, json }: Options) =>
      withServices(async ({ audit, store }) => {
        const user_id = user === undefined ? undefined : await findUser(store, user)
        const filter = {
          ...(user_id !== undefined && { user_id }),
          ...(event !== undefined && { event }),
        }
        const after = before === undefined ? undefined : { key: null, id: before }
        const page = { limit, key: undefined, descending: true, after }
        const { rows: entries } = await audit.list(filter, page)
        if (json) {
          printJson(print, entries)
          return
        }
        printCells(print, 'at', 'event', 'user', 'actor', 'address', 'detail', 'id')
        for (const { at, event, user_id, actor_id, address, detail, id } of entries) {
          printCells(print, at, event, user_id, actor_id, address, JSON.stringify(detail), id)
        }
      }),
    )
  return addExamples(
    command,
    'gatehouse audit --limit 10',
    'gatehouse audit --user ada@example.org --event login.failed',
    "gatehouse audit --json | jq -r '.[] | [.at, .event, .address] | @tsv'",
  )
}
