import { createVerifier } from '@gatehouse/verify'
import { getSecret } from 'astro:env/server'
import { settings } from 'virtual:gatehouse'
import { createAttest } from './attest.js'
import { createAddressOf, followSockets } from './address.js'
import { createMiddleware } from './middleware.js'
import type { Context } from './types.js'

type Middleware = ReturnType<typeof createMiddleware>

followSockets()
let middleware: Middleware | undefined

/** The middleware that the integration adds. It connects at the first request, and not during a build. */
export function onRequest(context: Context, next: () => Promise<Response>): Promise<Response> {
  if (context.isPrerendered) return next()
  middleware ??= connect()
  return middleware(context, next)
}

function connect(): Middleware {
  const url = getSecret('GATEHOUSE_URL') ?? 'http://localhost:3000'
  const issuer = getSecret('GATEHOUSE_ISSUER') ?? url
  const audience = getSecret('GATEHOUSE_AUDIENCE') ?? 'gatehouse'
  const siteKey = getSecret('GATEHOUSE_SITE_KEY') ?? ''
  return createMiddleware({
    ...{ settings, url, issuer },
    publicUrl: getSecret('GATEHOUSE_PUBLIC_URL'),
    clientSecret: getSecret('GATEHOUSE_CLIENT_SECRET'),
    verifier: createVerifier({ issuer, url, audience }),
    addressOf: createAddressOf(getSecret('GATEHOUSE_SITE_PROXIES') ?? ''),
    attest: siteKey === '' ? undefined : createAttest(siteKey, url),
  })
}
