import { Type } from '@sinclair/typebox'
import { Delay, Duration, OneOf } from '../kinds.js'

/** What operators keep, read and wait for. */
export const operations = {
  AUDIT_RETENTION: Duration('how long the audit log is kept', '365d'),
  METRICS_TOKEN: Type.Optional(
    Type.String({
      // The syntax of a Bearer token (RFC 6750 §2.1).
      pattern: '^[A-Za-z0-9._~+/-]{32,4096}=*$',
      minLength: 32,
      maxLength: 4_096,
      secret: true,
      create: 'openssl rand -hex 32',
      form: '32 or more of the characters A-Z a-z 0-9 - . _ ~ + /',
      description:
        'Bearer token that opens `/metrics`, 32 or more of the characters `A-Z a-z 0-9 - . _ ~ + /`; without it, `/metrics` is public in development and does not exist in production',
    }),
  ),
  SHUTDOWN_DELAY: Delay(
    'how long the service still accepts connections after SIGTERM, while `/health/ready` answers 503; must exceed the time that load balancers take to notice',
    '2s',
  ),
  LOG_LEVEL: OneOf(
    ['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'],
    'lowest level that is logged',
  ),
}
