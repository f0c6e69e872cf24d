import { Type, type TSchema } from '@sinclair/typebox'
import type { User } from '../features/users/schemas.js'
import { Id } from '../http/replies.js'

export const tags = ['dialect: /user']
const Failure = Type.Object({ message: Type.String() })
export const Said = Type.Object({ message: Type.String(), status: Type.Optional(Type.Integer()) })
export const Shown = Type.Object({
  uuid: Type.String(),
  username: Type.Union([Type.String(), Type.Null()]),
  mobile: Type.Union([Type.String(), Type.Null()]),
  email: Type.Optional(Type.String()),
  gender: Type.Optional(Type.String()),
  status: Type.Boolean({ description: 'activated and not disabled' }),
})
export const Envelope = <Data extends TSchema>(data: Data) =>
  Type.Object({ data, message: Type.String(), status: Type.Integer() })
export const answers = <Status extends number, Body>(status: Status, body: Body) =>
  ({ [status]: body, '4xx': Failure, '5xx': Failure }) as Record<Status, Body> &
    Record<'4xx' | '5xx', typeof Failure>
export const Params = Type.Object({ uuid: Id() })

/** A path of this dialect is the same with and without its closing slash. */
export function both(url: string, register: (url: string) => unknown): void {
  for (const spelling of [url, `${url}/`]) register(spelling)
}

/** A user in the words of this dialect. */
export function show({ id, username, mobile, email, gender, active }: User) {
  return {
    uuid: id,
    username,
    mobile,
    ...(email !== null && { email }),
    ...(gender !== null && { gender }),
    status: active,
  }
}
