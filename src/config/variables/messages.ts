import { Type } from '@sinclair/typebox'
import { List, OneOf, Secret, oneLine } from '../kinds.js'

/** What users are sent, and by whom. */
export const messages = {
  APP_NAME: Type.String({
    default: 'Gatehouse',
    minLength: 1,
    maxLength: 60,
    pattern: `^${oneLine}$`,
    form: 'one line of 1 to 60 characters',
    description: 'name of the service in messages and on pages',
  }),
  ACTIVATION: OneOf(
    ['off', 'required'],
    '`required`: users must confirm their address before their first login',
  ),
  REGISTRATION: OneOf(
    ['open', 'invite', 'closed'],
    'who may create an account: anyone, people with an invitation, or only administrators',
  ),
  REGISTRATION_DOMAINS: List(
    'domains of the e-mail addresses that users may have, separated by commas; a subdomain is another domain; needs ACTIVATION=required',
    '',
  ),
  MFA: OneOf(
    ['optional', 'required', 'required:admin'],
    'who needs a second factor: users who added one, every user, or also every administrator',
  ),
  MAIL_URL: Type.Optional(
    Type.String({
      pattern: '^(log$|smtps?://)',
      secret: true,
      form: 'a URL such as smtp://user:password@host:587, or log',
      description:
        'SMTP server for mail, such as `smtp://user:password@host:587`; `log` writes mail to the log: the default, but rejected in production',
    }),
  ),
  MAIL_FROM: Type.Optional(
    Type.String({
      minLength: 3,
      maxLength: 320,
      pattern: `^${oneLine}@${oneLine}$`,
      form: 'an address such as no-reply@example.org',
      description:
        'sender of mail, by default `no-reply@` and the host of PUBLIC_URL; APP_NAME is its name unless it has one: `Support <help@example.org>`',
    }),
  ),
  SMS_WEBHOOK_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      form: 'a URL such as https://sms.example.org/send',
      description:
        'URL that receives text messages (SMS) as signed requests (Standard Webhooks); by default they are written to the log, and dropped in production',
    }),
  ),
  SMS_WEBHOOK_SECRET: Secret(
    'signs the requests to SMS_WEBHOOK_URL, 32 characters or more; after the prefix `whsec_` it is base64',
  ),
}
