import { identifierKinds, type Identifier } from '../identifiers/identifiers.js'
import type { Holder } from './repository.js'
import type { ImportedUser } from './row.js'

/** `present`: the user is there already, with all names of the row. `refusal`: another user has one of them. */
export type Standing = 'new' | 'present' | { refusal: string }

/** Compares imported users with existing ones. */
export function compareWith(holders: Holder[]): (user: ImportedUser) => Standing {
  const byId = new Map(holders.map((holder) => [holder.id, holder]))
  const taken = new Set(
    holders.flatMap((holder) =>
      identifierKinds.flatMap((kind) => {
        const canonical = holder[`${kind}_canonical`]
        return canonical === null ? [] : [keyOf({ kind, canonical })]
      }),
    ),
  )
  return function standingOf({ id, identifiers }) {
    const same = byId.get(id)
    if (same && identifiers.every((identifier) => has(same, identifier))) return 'present'
    if (same) return { refusal: `The id ${id} belongs to a user with other identifiers.` }
    const other = identifiers.find((identifier) => taken.has(keyOf(identifier)))
    return other ? { refusal: takenBy(other) } : 'new'
  }
}

const keyOf = ({ kind, canonical }: Pick<Identifier, 'kind' | 'canonical'>) =>
  `${kind}:${canonical}`

const has = (holder: Holder, { kind, canonical }: Identifier) =>
  holder[`${kind}_canonical`] === canonical

const labels = { email: 'e-mail address', username: 'username', mobile: 'mobile number' }
const takenBy = ({ kind, text }: Identifier) => `Another user has the ${labels[kind]} ${text}.`
