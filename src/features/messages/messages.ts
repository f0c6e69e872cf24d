import type { AddressKind } from '../identifiers/identifiers.js'
import type { CodePair } from '../codes/secrets.js'
import { placeOf, type NoticedLogin } from './noticed-login.js'
import { ignoreIt, isNotice, notices, type NoticeName } from './notices.js'

/** The messages that ask their reader for an answer. */
type RequestName =
  | 'activation'
  | 'choose_password'
  | 'invitation'
  | 'registration_invitation'
  | 'password_reset'
  | 'email_change'
  | 'mobile_change'
  | 'address_proof'
  | 'address_move'
  | 'address_claim'
  | 'new_login'

export type MessageName = RequestName | NoticeName

/** The content of a message. layout.ts renders it as HTML, plain text or SMS. */
export type MessageContent = {
  subject: string
  lines: string[]
  /** The link and the label of its button. */
  action?: { label: string; url: string }
  code?: string
}

type Context = {
  appName: string
  publicUrl: string
  kind: AddressKind
  /** The code and the link of a message that needs an answer. */
  secrets?: CodePair | undefined
  /** The login that the message tells of. */
  login?: NoticedLogin
}

/** Writes a message. Links always have the host of PUBLIC_URL, never the host of a request. */
export function writeMessage(name: MessageName, context: Context): MessageContent {
  const { appName, publicUrl, kind, secrets, login } = context
  const link = (path: string) => `${publicUrl}/${path}?token=${secrets?.link ?? ''}`
  const address = kind === 'email' ? 'e-mail address' : 'mobile number'
  if (isNotice(name)) return notices[name]({ appName, publicUrl, address })
  const lives = (linkLife: string, path: string) =>
    `The code is valid for ten minutes, the link for ${linkLife}. Type the code at ${publicUrl}/${path}/code.`
  const withCode = secrets && { code: secrets.code }

  switch (name) {
    case 'activation':
      return {
        subject: `Activate your ${appName} account`,
        lines: [
          `Someone registered with ${appName} using this ${address}.`,
          `${lives('a day', 'activate')} ${ignoreIt}`,
        ],
        action: { label: 'Activate the account', url: link('activate') },
        ...withCode,
      }
    case 'choose_password':
      return {
        subject: `Choose a password for ${appName}`,
        lines: [
          `The account at ${appName} with this ${address} has no password. Choose one to use the account.`,
          `${lives('an hour', 'reset')} ${ignoreIt}`,
        ],
        action: { label: 'Choose a password', url: link('reset') },
        ...withCode,
      }
    case 'invitation':
      return {
        subject: `You have an account at ${appName}`,
        lines: [
          `An administrator created an account at ${appName} for you. Choose a password to use it.`,
          lives('a day', 'reset'),
        ],
        action: { label: 'Choose a password', url: link('reset') },
        ...withCode,
      }
    case 'registration_invitation':
      return {
        subject: `You are invited to ${appName}`,
        lines: [
          `An administrator of ${appName} invites you to register with this ${address}.`,
          'The link can be used once. If you do not want an account, ignore this message.',
        ],
        action: {
          label: 'Register',
          url: `${publicUrl}/register?invitation=${secrets?.link ?? ''}`,
        },
      }
    case 'password_reset':
      return {
        subject: `Reset your ${appName} password`,
        lines: [
          `Someone requested a new password for your account at ${appName}.`,
          `${lives('an hour', 'reset')} ${ignoreIt}`,
        ],
        action: { label: 'Choose a new password', url: link('reset') },
        ...withCode,
      }
    case 'email_change':
    case 'mobile_change':
      return {
        subject: `Confirm your ${address} for ${appName}`,
        lines: [
          `Someone wants to use this ${address} for an account at ${appName}.`,
          `${lives('an hour', 'confirm')} ${ignoreIt}`,
        ],
        action: { label: `Confirm the ${address}`, url: link('confirm') },
        ...withCode,
      }
    case 'address_proof':
      return {
        subject: `Confirm your ${address} for ${appName}`,
        lines: [
          `An account at ${appName} has this ${address}, but it is not confirmed.`,
          `${lives('a day', 'activate')} Confirm it only if the account is yours. ${ignoreIt}`,
        ],
        action: { label: `Confirm the ${address}`, url: link('activate') },
        ...withCode,
      }
    case 'address_move':
      return {
        subject: `Confirm your ${address} for ${appName}`,
        lines: [
          `Someone wants to use this ${address} for an account at ${appName}. Another account has it, but it is not confirmed there.`,
          `If you confirm it, the other account loses this ${address}. If you want to keep it in the other account, do not confirm.`,
          `${lives('an hour', 'confirm')} ${ignoreIt}`,
        ],
        action: { label: `Confirm the ${address}`, url: link('confirm') },
        ...withCode,
      }
    case 'address_claim':
      return {
        subject: `Choose a password for ${appName}`,
        lines: [
          `Someone registered with ${appName} using this ${address}. Another account has it, but it is not confirmed there.`,
          `If you choose a password, you get your own account with this ${address}. The other account loses it.`,
          `${lives('an hour', 'reset')} ${ignoreIt}`,
        ],
        action: { label: 'Choose a password', url: link('reset') },
        ...withCode,
      }
    case 'new_login':
      return {
        subject: `New login to your ${appName} account`,
        lines: [
          `Someone logged in to your account at ${appName} from a browser or network that is new to it: ${login ? placeOf(login) : ''}.`,
          'If this was you, ignore this message.',
          'If this was not you, open the link and press the button. That logs the account out everywhere and removes its password, and you choose another one. The link works once, for seven days.',
        ],
        action: { label: 'This was not me', url: link('not-me') },
      }
  }
}
