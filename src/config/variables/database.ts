import { Type } from '@sinclair/typebox'
import { OneOf } from '../kinds.js'

/** Where the data is. */
export const database = {
  DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      secret: true,
      form: 'a URL such as postgres://user:password@host/database',
      description:
        'PostgreSQL 15 or newer; required in production; otherwise a local PostgreSQL 18 in DATA_DIR by default',
    }),
  ),
  DATABASE_LISTEN_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      secret: true,
      form: 'a URL such as postgres://user:password@host/database',
      description:
        'a direct connection to PostgreSQL, if DATABASE_URL is a pooler: the denylist listens there; DATABASE_URL by default',
    }),
  ),
  DENYLIST_SYNC: OneOf(
    ['listen', 'poll'],
    'how an instance learns of revocations by other instances: `listen` is notified at once; `poll` queries every 250 ms, for databases without LISTEN',
  ),
  DATABASE_POOL_SIZE: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 500,
    description: 'maximum number of connections to PostgreSQL',
  }),
  DATA_DIR: Type.String({
    default: '.gatehouse',
    minLength: 1,
    maxLength: 4_096,
    description: 'folder of the database and secrets in development; unused in production',
  }),
}
