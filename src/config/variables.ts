import { Type } from '@sinclair/typebox'
import { database } from './variables/database.js'
import { limits } from './variables/limits.js'
import { oldApp } from './variables/old-app.js'
import { messages } from './variables/messages.js'
import { operations } from './variables/operations.js'
import { passwords } from './variables/passwords.js'
import { providers } from './variables/providers.js'
import { service } from './variables/service.js'
import { tokens } from './variables/tokens.js'

/**
 * Every environment variable that the service reads. Types, defaults, `.env.example` and
 * docs/reference/configuration.md are generated from it. A variable marked `secret` may also be set as
 * `NAME_FILE`, the path of a file.
 */
export const Environment = Type.Object({
  ...service,
  ...database,
  ...tokens,
  ...passwords,
  ...messages,
  ...providers,
  ...oldApp,
  ...limits,
  ...operations,
})
