import type { ProofBody } from '../features/codes/schemas.js'
import type { AccountService } from '../features/registration/service.js'
import type { UserService } from '../features/users/service.js'
import type { Caller } from '../http/caller.js'

/** What the owner of an address does with the link or the code of a message. */
export type ProofPage = {
  path: string
  title: string
  text: string
  button: string
  done: string
  asksPassword: boolean
  /** How to get another message. A change of address is requested in the application. */
  ask?: { path: string; title: string; send: AccountService['forgot'] }
  /** The address that the link was sent to; undefined if the link is not valid. Does not use it up. */
  findAddress: (token: string) => Promise<string | undefined>
  /** Uses the link or the code up. @throws AppError `invalid_code`, and what the action throws */
  act: (proof: ProofBody, new_password: string, caller: Caller) => Promise<{ device?: string }>
}

type Services = { accounts: AccountService; users: UserService }

export const createProofPages = ({ accounts, users }: Services): ProofPage[] => [
  {
    path: '/activate',
    title: 'Activate your account',
    text: 'Press the button to finish your registration.',
    button: 'Activate',
    done: 'Your account is active. You can log in now.',
    asksPassword: false,
    ask: { path: '/activate/resend', title: 'Get another message', send: accounts.resend },
    findAddress: (token) => accounts.findActivationAddress(token),
    act: (proof, _password, caller) => accounts.activate(proof, caller).then(() => ({})),
  },
  {
    path: '/reset',
    title: 'Choose a new password',
    text: 'You will be logged out everywhere.',
    button: 'Set the password',
    done: 'Your password was changed. You can log in with it now.',
    asksPassword: true,
    ask: { path: '/forgot', title: 'Forgot your password?', send: accounts.forgot },
    findAddress: (token) => accounts.findResetAddress(token),
    act: (proof, new_password, caller) => accounts.reset({ ...proof, new_password }, caller),
  },
  {
    path: '/confirm',
    title: 'Confirm your address',
    text: 'Press the button to use this address from now on.',
    button: 'Confirm',
    done: 'Your address was changed.',
    asksPassword: false,
    findAddress: (token) => users.findNewAddress(token),
    act: (proof, _password, caller) => users.confirmAddress(proof, caller).then(() => ({})),
  },
]
