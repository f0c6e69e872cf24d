import { OneOf, Rate } from '../kinds.js'

/** Limits against guessing and flooding. */
export const limits = {
  RATE_LIMIT: OneOf(
    ['on', 'off'],
    'limits against guessing and flooding; `off` is rejected in production',
  ),
  RATE_LIMIT_LOGIN: Rate(
    'failed logins from one network: an IPv4 address or an IPv6 /64',
    '100/15m',
  ),
  RATE_LIMIT_REGISTER: Rate('registrations from one network', '100/1h'),
  RATE_LIMIT_FORGOT: Rate('messages requested by one network', '30/1h'),
  RATE_LIMIT_CODES: Rate('attempts with codes and links from one network', '100/15m'),
  RATE_LIMIT_REFRESH: Rate('failed refreshes from one network', '300/15m'),
  RATE_LIMIT_CLIENTS: Rate(
    'failed authentications of clients (other services) from one network',
    '100/15m',
  ),
  RATE_LIMIT_ATTESTED: Rate(
    'for each limit of a network: all visitors whose addresses one site attests',
    '3000/15m',
  ),
  RATE_LIMIT_UPLOADS: Rate('pictures and READMEs uploaded by one user', '60/1h'),
}
