import type { AddressKind } from '../identifiers/identifiers.js'
import type { CodePair } from '../codes/secrets.js'

/** All messages that Gatehouse sends. */
export const messageNames = [
  'activation',
  'already_registered',
  'choose_password',
  'invitation',
  'registration_invitation',
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
  'factor_added',
  'factor_removed',
  'passkey_added',
  'passkey_removed',
  'recovery_code_used',
  'account_claimed',
  'account_deleted',
  'api_key_created',
  'api_key_expires',
] as const
export type MessageName = (typeof messageNames)[number]

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
}

const ignoreIt = 'If this was not you, ignore this message. Nothing will change.'
const tellOperator = 'If this was not you, tell the operator of this service.'
const actNow = 'If this was not you, reset your password now and tell the operator of this service.'

/** Writes a message. Links always have the host of PUBLIC_URL, never the host of a request. */
export function writeMessage(name: MessageName, context: Context): MessageContent {
  const { appName, publicUrl, kind, secrets } = context
  const link = (path: string) => `${publicUrl}/${path}?token=${secrets?.link ?? ''}`
  const address = kind === 'email' ? 'e-mail address' : 'mobile number'
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
    case 'already_registered':
      return {
        subject: `You already have an account at ${appName}`,
        lines: [
          `Someone tried to register with ${appName} using this ${address}. It already belongs to an account.`,
          `If this was you, log in with your password, or reset it if you forgot it. ${ignoreIt}`,
        ],
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
    case 'address_unconfirmed':
      return {
        subject: `Your ${address} at ${appName} is not confirmed`,
        lines: [
          `Someone requested a new password for the account at ${appName} that has this ${address}. The ${address} is not confirmed, so it cannot be used to reset the password.`,
          'If the account is yours, reset the password with its other address.',
          `If you have no account, register with this ${address}. You will then get a message to claim it for an account of your own.`,
        ],
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
    case 'address_released':
      return {
        subject: `An address was removed from your ${appName} account`,
        lines: [
          `Your account at ${appName} had an address that you never confirmed. Its owner has confirmed it for another account, so it was removed from yours.`,
        ],
      }
    case 'address_changed':
      return {
        subject: `Your ${appName} account has another ${address}`,
        lines: [
          `The ${address} of your account at ${appName} was changed. This one no longer belongs to it.`,
          tellOperator,
        ],
      }
    case 'password_changed':
      return {
        subject: `Your ${appName} password was changed`,
        lines: [`The password of your account at ${appName} was changed.`, actNow],
      }
    case 'identity_linked':
      return {
        subject: `A new way to log in was added at ${appName}`,
        lines: [
          `A login of another service was connected to your account at ${appName}. It can be used to log in.`,
          `If this was not you, disconnect it in your account at ${appName} and reset your password now.`,
        ],
      }
    case 'factor_added':
      return {
        subject: `Your ${appName} account has a new second factor`,
        lines: [
          `An authenticator app was added to your account at ${appName}. Your next login asks for its code.`,
          actNow,
        ],
      }
    case 'factor_removed':
      return {
        subject: `The second factor of your ${appName} account was removed`,
        lines: [
          `Your account at ${appName} no longer has a second factor. Its recovery codes and trusted devices are void.`,
          actNow,
        ],
      }
    case 'passkey_added':
      return {
        subject: `A passkey was added to your ${appName} account`,
        lines: [
          `A passkey was added to your account at ${appName}. It can be used to log in, without your password.`,
          `If this was not you, remove it in your account at ${appName} and reset your password now.`,
        ],
      }
    case 'passkey_removed':
      return {
        subject: `A passkey of your ${appName} account was removed`,
        lines: [
          `A passkey of your account at ${appName} was removed. It no longer logs in.`,
          actNow,
        ],
      }
    case 'recovery_code_used':
      return {
        subject: `A recovery code of your ${appName} account was used`,
        lines: [
          `Someone logged in to your account at ${appName} with your password and a recovery code.`,
          actNow,
        ],
      }
    case 'account_claimed':
      return {
        subject: `The password of your ${appName} account was removed`,
        lines: [
          `You logged in to ${appName} with another service, which confirmed that this ${address} is yours. It was not confirmed before, so the account's old password was removed and all its other sessions were ended.`,
          'If you want a password, use the password reset.',
        ],
      }
    case 'api_key_created':
      return {
        subject: `A new API key was made at ${appName}`,
        lines: [
          `An API key of your account at ${appName} was made. Scripts use it in your name, without your password.`,
          `If this was not you, revoke it in your account at ${appName} and reset your password now.`,
        ],
      }
    case 'api_key_expires':
      return {
        subject: `An API key at ${appName} expires soon`,
        lines: [
          `An API key of your account at ${appName} expires within seven days. Scripts that use it will fail from then on.`,
          `Make another key, give it to the scripts, and revoke the old one: ${publicUrl}/welcome/api-keys`,
        ],
      }
    case 'account_deleted':
      return {
        subject: `Your ${appName} account was deleted`,
        lines: [`Your account at ${appName} and all its data were deleted.`, tellOperator],
      }
  }
}
