import { Type, type TSchema } from '@sinclair/typebox'
import type { User } from '../features/users/schemas.js'
import { Challenge, Id } from '../http/replies.js'

export const tags = ['dialect: /user']
const Failure = Type.Object({ message: Type.String(), ...Challenge })
export const Message = Type.Object(
  {
    message: Type.String(),
    status: Type.Optional(Type.Integer()),
  },
  { title: 'RestMessage' },
)
export const UserData = Type.Object(
  {
    uuid: Type.String(),
    username: Type.Union([Type.String(), Type.Null()]),
    mobile: Type.Union([Type.String(), Type.Null()]),
    email: Type.Optional(Type.String()),
    gender: Type.Optional(Type.String()),
    status: Type.Boolean({ description: 'activated and not disabled' }),
  },
  { title: 'RestUserData' },
)
export const Envelope = <Data extends TSchema>(data: Data) =>
  Type.Object({ data, message: Type.String(), status: Type.Integer() })
export const repliesWith = <Status extends number, Body>(status: Status, body: Body) =>
  ({ [status]: body, '4xx': Failure, '5xx': Failure }) as Record<Status, Body> &
    Record<'4xx' | '5xx', typeof Failure>
export const Params = Type.Object({ uuid: Id() })

/** Registers a path with and without a closing slash: this dialect accepts both. */
export function withAndWithoutSlash(url: string, register: (url: string) => unknown): void {
  for (const variant of [url, `${url}/`]) register(variant)
}

/** A user with the field names of this dialect. */
export function toUserData({ id, username, mobile, email, gender, active }: User) {
  return {
    uuid: id,
    username,
    mobile,
    ...(email !== null && { email }),
    ...(gender !== null && { gender }),
    status: active,
  }
}
