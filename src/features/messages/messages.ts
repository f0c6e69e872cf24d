import type { AddressKind } from '../identifiers/identifiers.js'
import type { CodePair } from '../codes/secrets.js'

/** Every text that Gatehouse sends. */
export const messageNames = [
  'activation',
  'already_registered',
  'choose_password',
  'invitation',
  'password_reset',
  'password_changed',
  'email_change',
  'mobile_change',
  'address_changed',
  'address_proof',
  'address_move',
  'address_unconfirmed',
  'address_claim',
  'address_released',
  'identity_linked',
  'account_claimed',
  'account_deleted',
] as const
export type MessageName = (typeof messageNames)[number]

/** What a message says; layout.ts makes it look like one. */
export type Letter = {
  subject: string
  lines: string[]
  /** The link, with the words for its button. */
  action?: { label: string; url: string }
  code?: string
}

type Context = {
  appName: string
  publicUrl: string
  kind: AddressKind
  /** Where the message asks for something to be proven. */
  secrets?: CodePair | undefined
}

const ignoreIt = 'If that was not you, ignore this message: nothing happens.'
const actNow = 'If that was not you, reset your password now, and tell whoever runs this service.'

/** The words. The host of every link is that of PUBLIC_URL, whatever a request says. */
export function writeLetter(name: MessageName, context: Context): Letter {
  const { appName, publicUrl, kind, secrets } = context
  const link = (path: string) => `${publicUrl}/${path}?token=${secrets?.link ?? ''}`
  const address = kind === 'email' ? 'e-mail address' : 'mobile number'
  const short = 'The code is good for ten minutes'
  const withCode = secrets && { code: secrets.code }

  switch (name) {
    case 'activation':
      return {
        subject: `Activate your ${appName} account`,
        lines: [
          `Somebody registered with ${appName} under this ${address}.`,
          `${short}, the link for a day. ${ignoreIt}`,
        ],
        action: { label: 'Activate the account', url: link('activate') },
        ...withCode,
      }
    case 'choose_password':
      return {
        subject: `Choose a password for ${appName}`,
        lines: [
          `An account at ${appName} under this ${address} waits for a password of yours.`,
          `${short}, the link for an hour. ${ignoreIt}`,
        ],
        action: { label: 'Choose a password', url: link('reset') },
        ...withCode,
      }
    case 'invitation':
      return {
        subject: `You have an account at ${appName}`,
        lines: [
          `An administrator made an account at ${appName} for you. Choose a password to use it.`,
          `${short}, the link for a day.`,
        ],
        action: { label: 'Choose a password', url: link('reset') },
        ...withCode,
      }
    case 'password_reset':
      return {
        subject: `Reset your ${appName} password`,
        lines: [
          `Somebody asked for a new password for your account at ${appName}.`,
          `${short}, the link for an hour. ${ignoreIt}`,
        ],
        action: { label: 'Choose a new password', url: link('reset') },
        ...withCode,
      }
    case 'already_registered':
      return {
        subject: `You already have an account at ${appName}`,
        lines: [
          `Somebody, perhaps you, tried to register with ${appName} under this ${address}, which has an account already.`,
          `Log in with your password; if you forgot it, ask for a new one. ${ignoreIt}`,
        ],
      }
    case 'email_change':
    case 'mobile_change':
      return {
        subject: `Confirm your ${address} for ${appName}`,
        lines: [
          `Somebody wants to use this ${address} for their account at ${appName}.`,
          `${short}, the link for an hour. ${ignoreIt}`,
        ],
        action: { label: `Confirm the ${address}`, url: link('confirm') },
        ...withCode,
      }
    case 'address_proof':
      return {
        subject: `Confirm your ${address} for ${appName}`,
        lines: [
          `An account at ${appName} has this ${address}, and it was never confirmed.`,
          `${short}, the link for a day. Confirm it only if the account is yours. ${ignoreIt}`,
        ],
        action: { label: `Confirm the ${address}`, url: link('activate') },
        ...withCode,
      }
    case 'address_move':
      return {
        subject: `Confirm your ${address} for ${appName}`,
        lines: [
          `Somebody wants to use this ${address} for their account at ${appName}. Another account has it, where it was never confirmed.`,
          `If you confirm it, the other account loses this ${address}. If the other account is yours and you want to keep it as it is, do not confirm.`,
          `${short}, the link for an hour. ${ignoreIt}`,
        ],
        action: { label: `Confirm the ${address}`, url: link('confirm') },
        ...withCode,
      }
    case 'address_unconfirmed':
      return {
        subject: `Your ${address} at ${appName} is not confirmed`,
        lines: [
          `Somebody asked for a new password for the account at ${appName} that has this ${address}. It was never confirmed there, so it cannot open that account.`,
          'If the account is yours, ask for a new password under its other address.',
          `If you have no account, register with this ${address}: a message then lets you take it into an account of your own.`,
        ],
      }
    case 'address_claim':
      return {
        subject: `Choose a password for ${appName}`,
        lines: [
          `Somebody registered with ${appName} under this ${address}. Another account has it, where it was never confirmed.`,
          `Choose a password, and you get an account of your own with this ${address}; the other account loses it.`,
          `${short}, the link for an hour. ${ignoreIt}`,
        ],
        action: { label: 'Choose a password', url: link('reset') },
        ...withCode,
      }
    case 'address_released':
      return {
        subject: `Your ${appName} account has one address less`,
        lines: [
          `An address of your account at ${appName} was never confirmed, and its owner confirmed it for another account. It no longer belongs to yours.`,
        ],
      }
    case 'address_changed':
      return {
        subject: `Your ${appName} account has another ${address}`,
        lines: [
          `This ${address} no longer belongs to your account at ${appName}: it was changed.`,
          'If that was not you, tell whoever runs this service at once.',
        ],
      }
    case 'password_changed':
      return {
        subject: `Your ${appName} password was changed`,
        lines: [`The password of your account at ${appName} was changed.`, actNow],
      }
    case 'identity_linked':
      return {
        subject: `Another way to log in to ${appName}`,
        lines: [
          `A login at another service was connected to your account at ${appName}: whoever has it can log in.`,
          'If that was not you, disconnect it on your page, and reset your password now.',
        ],
      }
    case 'account_claimed':
      return {
        subject: `Your ${appName} account is yours alone now`,
        lines: [
          `You logged in to ${appName} by a service that says this ${address} is yours. Nobody had confirmed that before, so the password of the account was removed, and it was logged out everywhere else.`,
          'Whenever you want a password, ask for a new one.',
        ],
      }
    case 'account_deleted':
      return {
        subject: `Your ${appName} account was deleted`,
        lines: [
          `Your account at ${appName} was deleted, with all that belonged to it.`,
          'If that was not you, tell whoever runs this service.',
        ],
      }
  }
}
