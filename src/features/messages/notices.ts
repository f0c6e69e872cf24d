/** What a notice speaks of. `address` is "e-mail address" or "mobile number". */
type Words = { appName: string; publicUrl: string; address: string }

type Notice = { subject: string; lines: string[] }

export const ignoreIt = 'If this was not you, ignore this message. Nothing will change.'
const tellOperator = 'If this was not you, tell the operator of this service.'
const actNow = 'If this was not you, reset your password now and tell the operator of this service.'

/** The messages that tell what has happened, and need no answer. */
export const notices = {
  already_registered: ({ appName, address }) => ({
    subject: `You already have an account at ${appName}`,
    lines: [
      `Someone tried to register with ${appName} using this ${address}. It already belongs to an account.`,
      `If this was you, log in with your password, or reset it if you forgot it. ${ignoreIt}`,
    ],
  }),
  address_unconfirmed: ({ appName, address }) => ({
    subject: `Your ${address} at ${appName} is not confirmed`,
    lines: [
      `Someone requested a new password for the account at ${appName} that has this ${address}. The ${address} is not confirmed, so it cannot be used to reset the password.`,
      'If the account is yours, reset the password with its other address.',
      `If you have no account, register with this ${address}. You will then get a message to claim it for an account of your own.`,
    ],
  }),
  address_released: ({ appName }) => ({
    subject: `An address was removed from your ${appName} account`,
    lines: [
      `Your account at ${appName} had an address that you never confirmed. Its owner has confirmed it for another account, so it was removed from yours.`,
    ],
  }),
  address_changed: ({ appName, address }) => ({
    subject: `Your ${appName} account has another ${address}`,
    lines: [
      `The ${address} of your account at ${appName} was changed. This one no longer belongs to it.`,
      tellOperator,
    ],
  }),
  password_changed: ({ appName }) => ({
    subject: `Your ${appName} password was changed`,
    lines: [`The password of your account at ${appName} was changed.`, actNow],
  }),
  identity_linked: ({ appName }) => ({
    subject: `A new way to log in was added at ${appName}`,
    lines: [
      `A login of another service was connected to your account at ${appName}. It can be used to log in.`,
      `If this was not you, disconnect it in your account at ${appName} and reset your password now.`,
    ],
  }),
  factor_added: ({ appName }) => ({
    subject: `Your ${appName} account has a new second factor`,
    lines: [
      `An authenticator app was added to your account at ${appName}. Your next login asks for its code.`,
      actNow,
    ],
  }),
  factor_removed: ({ appName }) => ({
    subject: `The second factor of your ${appName} account was removed`,
    lines: [
      `Your account at ${appName} no longer has a second factor. Its recovery codes and trusted devices are void.`,
      actNow,
    ],
  }),
  passkey_added: ({ appName }) => ({
    subject: `A passkey was added to your ${appName} account`,
    lines: [
      `A passkey was added to your account at ${appName}. It can be used to log in, without your password.`,
      `If this was not you, remove it in your account at ${appName} and reset your password now.`,
    ],
  }),
  passkey_removed: ({ appName }) => ({
    subject: `A passkey of your ${appName} account was removed`,
    lines: [`A passkey of your account at ${appName} was removed. It no longer logs in.`, actNow],
  }),
  recovery_code_used: ({ appName }) => ({
    subject: `A recovery code of your ${appName} account was used`,
    lines: [
      `Someone logged in to your account at ${appName} with your password and a recovery code.`,
      actNow,
    ],
  }),
  account_claimed: ({ appName, address }) => ({
    subject: `The password of your ${appName} account was removed`,
    lines: [
      `You logged in to ${appName} with another service, which confirmed that this ${address} is yours. It was not confirmed before, so the account's old password was removed and all its other sessions were ended.`,
      'If you want a password, use the password reset.',
    ],
  }),
  api_key_created: ({ appName }) => ({
    subject: `A new API key was made at ${appName}`,
    lines: [
      `An API key of your account at ${appName} was made. Scripts use it in your name, without your password.`,
      `If this was not you, revoke it in your account at ${appName} and reset your password now.`,
    ],
  }),
  api_key_expires: ({ appName, publicUrl }) => ({
    subject: `An API key at ${appName} expires soon`,
    lines: [
      `An API key of your account at ${appName} expires within seven days. Scripts that use it will fail from then on.`,
      `Make another key, give it to the scripts, and revoke the old one: ${publicUrl}/welcome/api-keys`,
    ],
  }),
  device_logged_in: ({ appName, publicUrl }) => ({
    subject: `A device was logged in to your ${appName} account`,
    lines: [
      `You approved a code, and a device was logged in to your account at ${appName}.`,
      `If this was not you, log it out and change your password now: ${publicUrl}/account`,
    ],
  }),
  account_deleted: ({ appName }) => ({
    subject: `Your ${appName} account was deleted`,
    lines: [`Your account at ${appName} and all its data were deleted.`, tellOperator],
  }),
} satisfies Record<string, (words: Words) => Notice>

export type NoticeName = keyof typeof notices

export const isNotice = (name: string): name is NoticeName => Object.hasOwn(notices, name)
