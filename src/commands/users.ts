import type { Account } from '../features/administration/schemas.js'
import type { AdministrationService } from '../features/administration/service.js'
import { AppError } from '../errors.js'
import type { UserRepository } from '../features/users/repository.js'
import { identifierKinds, readIdentifier } from '../features/identifiers/identifiers.js'

type Store = { users: Pick<UserRepository, 'findHolders'> }

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The user whom a person means by an id, an e-mail address, a username or a mobile number. */
export async function findUser(store: Store, text: string): Promise<string> {
  if (uuid.test(text)) return text.toLowerCase()
  const identifiers = identifierKinds.flatMap((kind) => {
    try {
      return [readIdentifier(kind, text)]
    } catch {
      return []
    }
  })
  const [holder] = await store.users.findHolders(identifiers)
  if (!holder) throw new AppError('not_found')
  return holder.user_id
}

/** A user a line, separated by tabs, with a head. */
export async function listUsers(
  administration: AdministrationService,
  search: string | undefined,
  print: (line: string) => void,
): Promise<void> {
  print(['id', 'username', 'email', 'mobile', 'state', 'roles'].join('\t'))
  let cursor: string | undefined
  do {
    const filter = { ...(search && { search }), ...(cursor && { cursor }) }
    const { users, next } = await administration.list({ limit: '200', ...filter })
    for (const user of users) print(lineOf(user))
    cursor = next ?? undefined
  } while (cursor !== undefined)
}

function lineOf({ id, username, email, mobile, roles, ...account }: Account): string {
  const state = account.disabled_at ? 'disabled' : account.activated_at ? 'active' : 'pending'
  return [id, username ?? '', email ?? '', mobile ?? '', state, roles.join(',')].join('\t')
}
