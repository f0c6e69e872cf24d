import { ownClientId } from '@gatehouse/verify/protocol'
import { createSeal } from '../../crypto/seal.js'
import { hashSecret, newSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { Actor, Caller } from '../../http/caller.js'
import type { AuditEvent } from '../audit/schemas.js'
import type { AuditRepository } from '../audit/repository.js'
import type { Client } from '../clients/repository.js'
import { checkGuess } from '../limits/guesses.js'
import type { Limits } from '../limits/limits.js'
import { networkOf } from '../limits/network.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import { createDeviceExchange } from './exchange.js'
import type { ExchangeDependencies, ExchangeRepositories, Grantee } from './exchange.js'
import type { CodeCounts, DeviceCodeRepository, DeviceRequest } from './repository.js'
import type { DeviceAuthorization } from './schemas.js'
import { createUserCodes, readUserCode, showUserCode } from './user-codes.js'

type Repositories = ExchangeRepositories & {
  audit: Pick<AuditRepository, 'add'>
  deviceCodes: DeviceCodeRepository
}

type Dependencies = Omit<ExchangeDependencies, 'store' | 'limits'> & {
  store: UnitOfWork<Repositories>
  limits: Limits
  reauthentication: Pick<Reauthentication, 'byRecentLogin'>
  /** KEYS_SECRET. */
  keysSecret: string
  publicUrl: string
}

/** What the user is asked, and the mark by which they answer it. */
export type PendingDevice = Omit<DeviceRequest, 'device_hash'> & {
  user_code: string
  confirmation: string
}

/** How long the codes live, in seconds. */
export const deviceCodeTtl = 600
/** How long a device waits between two requests, in seconds (RFC 8628 §3.2). */
const interval = 5
/** How long an approved code lives at least, in seconds, so that its device can still ask. */
const approvedTtl = 60
/** The most codes that live at the same time. */
const bounds: CodeCounts = { client: 2_000, network: 50, all: 5_000 }

/** Logs in devices without a browser: the user approves in a browser of theirs (RFC 8628). */
export function createDeviceLogins(dependencies: Dependencies) {
  const { store, limits, reauthentication, keysSecret, publicUrl } = dependencies
  const userCodes = createUserCodes(keysSecret)
  const box = createSeal(keysSecret, 'device logins')
  const redeem = createDeviceExchange(dependencies)

  return {
    /**
     * Makes the codes of a device.
     * @param client undefined for `gatehouse login`
     * @throws AppError `unauthorized_client`, `rate_limited` with too many codes, `unavailable`
     */
    async begin(client: Client | undefined, caller: Caller): Promise<DeviceAuthorization> {
      const { id: client_id } = requireGrantee(client)
      const device_code = newSecret()
      const { address, user_agent } = caller
      const network = networkOf(address)
      const device = { device_hash: hashSecret(device_code), client_id, network }
      const user_code = await store.transaction(async (tx) => {
        const counts = await tx.deviceCodes.lockAndCount(client_id, network)
        if (isFull(counts)) throw new AppError('rate_limited', { retryAfter: 60 })
        const code = userCodes.make()
        const row = { ...device, user_hash: userCodes.hash(code), address, user_agent }
        // Two devices get the same code once in a million years.
        if (!(await tx.deviceCodes.add(row, deviceCodeTtl, interval)))
          throw new AppError('unavailable')
        return showUserCode(code)
      })
      const verification_uri = `${publicUrl}/device`
      const verification_uri_complete = `${verification_uri}?user_code=${user_code}`
      const uris = { verification_uri, verification_uri_complete }
      return { device_code, user_code, ...uris, expires_in: deviceCodeTtl, interval }
    },

    /** Gives a device the tokens of its session. @throws AppError as createDeviceExchange() says */
    redeem: async (client: Client | undefined, device_code: string, caller: Caller) =>
      redeem(requireGrantee(client), device_code, caller),

    /**
     * Finds the request of a typed code. From then on no other user can answer it. A wrong code counts.
     * @throws AppError `invalid_code`, `reauthentication_required`, `rate_limited`
     */
    async find(actor: Actor, typed: string): Promise<PendingDevice> {
      const code = readUserCode(typed)
      if (code === undefined) throw new AppError('invalid_code')
      await reauthentication.byRecentLogin(actor)
      const { user_id, session_id } = actor
      const attempt = await limits.guesses.userCode(user_id, actor.address)
      const found = await checkGuess(attempt, () =>
        store.deviceCodes.claim(userCodes.hash(code), user_id),
      )
      if (!found) {
        const detail = { purpose: 'device_login' }
        await store.audit.add({ event: 'code.refused', caller: actor, user_id, detail })
        throw new AppError('invalid_code')
      }
      const { device_hash, ...request } = found
      const confirmation = box.seal(device_hash.toString('base64url'), session_id)
      return {
        ...request,
        user_code: showUserCode(code),
        confirmation: confirmation.toString('base64url'),
      }
    },

    /**
     * Approves a request that this session has found.
     * @throws AppError `invalid_code` if it is not open or of another session, `reauthentication_required`
     */
    async approve(actor: Actor, confirmation: string): Promise<void> {
      const device_hash = openConfirmation(actor, confirmation)
      await reauthentication.byRecentLogin(actor)
      const { user_id, session_id } = actor
      await decide(actor, 'device_login.approved', (tx) =>
        tx.deviceCodes.approve(device_hash, user_id, session_id, approvedTtl),
      )
    },

    /** Denies a request that this session has found. @throws AppError `invalid_code` */
    async deny(actor: Actor, confirmation: string): Promise<void> {
      const device_hash = openConfirmation(actor, confirmation)
      await decide(actor, 'device_login.denied', (tx) =>
        tx.deviceCodes.deny(device_hash, actor.user_id),
      )
    },
  }

  /** The mark is for one session, so a form that was made for another one answers nothing. */
  function openConfirmation({ session_id }: Actor, confirmation: string): Buffer {
    try {
      const text = box.open(Buffer.from(confirmation, 'base64url'), session_id)
      return Buffer.from(text, 'base64url')
    } catch (cause) {
      throw new AppError('invalid_code', { cause })
    }
  }

  async function decide(
    actor: Actor,
    event: AuditEvent,
    work: (tx: Repositories) => Promise<DeviceRequest | undefined>,
  ): Promise<void> {
    await store.transaction(async (tx) => {
      const decided = await work(tx)
      if (!decided) throw new AppError('invalid_code')
      const { client_name, address } = decided
      const detail = { client: client_name ?? ownClientId, from: address }
      await tx.audit.add({ event, caller: actor, user_id: actor.user_id, detail })
    })
  }
}

export type DeviceLogins = ReturnType<typeof createDeviceLogins>

const isFull = ({ client, network, all }: CodeCounts) =>
  client >= bounds.client || network >= bounds.network || all >= bounds.all

/** `gatehouse login` needs no registration. @throws AppError `unauthorized_client` */
function requireGrantee(client: Client | undefined): Grantee {
  if (!client) return { id: null, name: ownClientId }
  if (!client.allows_device) throw new AppError('unauthorized_client')
  return client
}
