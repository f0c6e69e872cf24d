import { OperatorError } from '../errors.js'
import {
  identifierKinds,
  readIdentifier,
  type IdentifierKind,
} from '../features/identifiers/identifiers.js'
import type { UserRepository } from '../features/users/repository.js'

type Store = { users: Pick<UserRepository, 'findHolders'> }

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const labels: Record<IdentifierKind, string> = {
  email: 'e-mail address',
  username: 'username',
  mobile: 'mobile number',
}

export const noUser = (text: string) =>
  `There is no user ${text}: USER is an id, an e-mail address, a username or a mobile number.`

/**
 * Finds a user by id, e-mail address, username or mobile number. An id is not looked up.
 * @throws OperatorError if there is no such user, or if the text means two users
 */
export async function findUser(store: Store, text: string): Promise<string> {
  if (uuid.test(text)) return text.toLowerCase()
  const identifiers = identifierKinds.flatMap((kind) => {
    try {
      return [readIdentifier(kind, text)]
    } catch {
      return []
    }
  })
  const holders = await store.users.findHolders(identifiers)
  const [holder] = holders
  if (!holder) throw new OperatorError(noUser(text))
  const isOne = holders.every(({ user_id }) => user_id === holder.user_id)
  if (isOne) return holder.user_id
  const meanings = holders.map(({ kind, user_id }) => `the ${labels[kind]} of ${user_id}`)
  throw new OperatorError(`${text} is ${meanings.join(' and ')}: use the id of the one you mean`)
}
