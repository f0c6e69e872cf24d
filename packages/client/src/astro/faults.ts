import { GatehouseError } from '../errors.js'

/** By these codes Gatehouse refuses the site itself. No visitor can help it. */
const faults = {
  invalid_client: 'check clientId and GATEHOUSE_CLIENT_SECRET',
  invalid_attestation: 'check GATEHOUSE_SITE_KEY and the clock of this server',
}

type SiteFault = GatehouseError & { code: keyof typeof faults }

/** How long the site waits before it asks again, and before it logs the same again, in milliseconds. */
export const faultTime = 30_000

export const isSiteFault = (error: unknown): error is SiteFault =>
  error instanceof GatehouseError && error.code in faults

export const messageOf = (code: keyof typeof faults) =>
  `Gatehouse refuses this site (${code}): ${faults[code]}`

/** Logs each fault once in the time above. */
export function createFaultLog(now: () => number) {
  const loggedAt = new Map<string, number>()

  return function log({ code }: SiteFault): void {
    if (now() < (loggedAt.get(code) ?? -Infinity) + faultTime) return
    loggedAt.set(code, now())
    console.error(messageOf(code))
  }
}
