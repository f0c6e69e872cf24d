import { Type } from '@sinclair/typebox'

// The kinds of variables. `form` completes the message "NAME must be …".

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Parses a duration such as `15m` into seconds. */
export const toSeconds = (text: string) =>
  Number(text.slice(0, -1)) * (unitSeconds[text.slice(-1)] ?? NaN)

export const Duration = (description: string, byDefault: string) =>
  Type.Transform(
    Type.String({
      pattern: '^[1-9][0-9]{0,7}[smhd]$',
      default: byDefault,
      duration: true,
      form: 'a duration such as 30s, 15m, 12h or 30d',
      description: `${description} (such as 30s, 15m, 12h, 30d)`,
    }),
  )
    .Decode(toSeconds)
    .Encode((seconds) => `${seconds}s`)

export const Delay = (description: string, byDefault: string) =>
  Type.Transform(
    Type.String({
      pattern: '^([0-9]|[1-5][0-9]|60)s$',
      default: byDefault,
      form: '0s to 60s',
      description: `${description} (0s to 60s)`,
    }),
  )
    .Decode(toSeconds)
    .Encode((seconds) => `${seconds}s`)

export const List = (description: string, byDefault: string) =>
  Type.Transform(Type.String({ default: byDefault, description }))
    .Decode((text) => text.split(',').flatMap((item) => item.trim() || []))
    .Encode((items) => items.join(','))

export const Rate = (description: string, byDefault: string) =>
  Type.Transform(
    Type.String({
      pattern: '^[1-9][0-9]{0,6}/[1-9][0-9]{0,5}[smhd]$',
      default: byDefault,
      form: 'a number and a duration such as 100/15m',
      description: `${description} (such as 100/15m)`,
    }),
  )
    .Decode((text) => {
      const [points, time = ''] = text.split('/')
      return { points: Number(points), seconds: toSeconds(time) }
    })
    .Encode(({ points, seconds }) => `${points}/${seconds}s`)

export const Secret = (description: string) =>
  Type.Optional(
    Type.String({
      description,
      secret: true,
      create: 'openssl rand -base64 48',
      minLength: 32,
      maxLength: 4_096,
    }),
  )

// TypeBox compiles these without the flag `u`, so `\p{…}` cannot be used.
export const oneLine = '[^\\x00-\\x1f\\x7f-\\x9f]*'
export const origin = '^https?://[^/?#@ ]+$'
export const originForm = 'an origin such as https://auth.example.org'

export const ClientId = (provider: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: `client id at ${provider}; register the callback \`PUBLIC_URL/auth/NAME/callback\` there`,
    }),
  )

export const ClientSecret = (provider: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4_096,
      secret: true,
      description: `client secret at ${provider}`,
    }),
  )

export const OneOf = <Values extends string[]>(values: [...Values], description: string) =>
  Type.Unsafe<Values[number]>(
    Type.String({ pattern: `^(${values.join('|')})$`, default: values[0], description, values }),
  )
