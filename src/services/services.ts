import { createAdmission } from '../features/admission/service.js'
import { createAccountService } from '../features/registration/service.js'
import { createAccessDenials } from '../features/audit/denials.js'
import { createAdministrationService } from '../features/administration/service.js'
import { createLoginMarks } from '../features/authorization/login-marks.js'
import { createApiKeyService } from '../features/api-keys/service.js'
import { createAuthorizationService } from '../features/authorization/service.js'
import { createAttestations } from '../features/clients/attestations.js'
import { createKnownSites } from '../features/clients/known-sites.js'
import { createClientService } from '../features/clients/service.js'
import { createCodeSecrets } from '../features/codes/secrets.js'
import { createCodeService } from '../features/codes/service.js'
import type { Config } from '../config/load.js'
import { createMailbox, isOnOwnMachine } from '../features/messages/mailbox.js'
import { createDeviceLogins } from '../features/device-logins/service.js'
import { createExportService } from '../features/exports/service.js'
import { createInvitationService } from '../features/invitations/service.js'
import { createImportService } from '../features/imports/service.js'
import { createTransports } from '../features/messages/configured-transports.js'
import { createLoginNoticeService } from '../features/login-notices/service.js'
import { createLoginServices } from './logins.js'
import { createSharedServices, type Dependencies } from './shared.js'
import { createMessageService } from '../features/messages/service.js'
import { createOutboxWorker } from '../features/messages/worker.js'
import { createAppHosts } from '../forward-auth/hosts.js'
import { createOAuthService } from '../features/oauth/service.js'
import { createRevocations } from '../features/revocations/service.js'
import { createRoleService } from '../features/roles/service.js'
import { createOwners } from '../features/identities/owners.js'
import { createConverter } from '../features/uploads/converter.js'
import { createUploadService } from '../features/uploads/service.js'
import { addressKinds } from '../features/identifiers/identifiers.js'
import { createUserService } from '../features/users/service.js'

/** Creates every service. The routes and the command line call them. */
export async function createServices(config: Config, dependencies: Dependencies) {
  const { keysSecret, log } = dependencies
  const shared = await createSharedServices(config, dependencies, {
    onMessage: () => outboxWorkers.forEach(({ wake }) => wake()),
  })
  const { clock, denylist, devices, failureDelay, findLiveKey, keyring, lanes, limits, newId } =
    shared
  const { passwords, policy } = shared
  const { replica, restorer, rotation, store, tokens } = shared
  const accessTtl = config.ACCESS_TOKEN_TTL

  const codes = createCodeService({ store, secrets: createCodeSecrets(keysSecret), newId })
  // Present only where the developer alone can read it.
  const mailbox = isOnOwnMachine(config) ? createMailbox(clock) : undefined
  const transports = createTransports(config, { log, clock, mailbox })
  const { deliver } = createMessageService({
    store,
    codes,
    limits,
    devices,
    transports,
    log,
    appName: config.APP_NAME,
    publicUrl: config.PUBLIC_URL,
  })
  const outboxWorkers = addressKinds.map((kind) =>
    createOutboxWorker({ kind, outbox: store.outbox, deliver, log }),
  )

  const isRequired = config.ACTIVATION === 'required'
  const admission = createAdmission({
    mode: config.REGISTRATION,
    domains: config.REGISTRATION_DOMAINS,
  })
  const roles = createRoleService({ store })
  const invitations = createInvitationService({
    store,
    admission,
    newId,
    publicUrl: config.PUBLIC_URL,
  })
  const loginServices = createLoginServices(config, {
    keysSecret,
    log,
    shared,
    owners: createOwners({ activation: isRequired, admission, invitations, roles, newId }),
  })
  const { reauthentication, sessions, usage } = loginServices
  const accounts = createAccountService({
    store,
    admission,
    invitations,
    roles,
    codes,
    passwords,
    policy,
    limits,
    devices,
    registration: { activation: isRequired, discreet: isRequired },
    clock,
    newId,
  })
  const users = createUserService({
    store,
    admission,
    codes,
    passwords,
    policy,
    reauthentication,
    limits,
    devices,
  })
  const apiKeys = createApiKeyService({ store, reauthentication, newId })
  const revocations = createRevocations({ denylist: store.denylist, keyring, accessTtl, clock })
  const verifyAttestation = createAttestations({
    findSite: createKnownSites({
      clients: store.clients,
      denials: { isDenied: replica.isDenied, isWithinLease: replica.feed.isWithinLease },
      clock,
    }),
    clock,
  })
  const clients = createClientService({ store, limits, newId })
  const oauth = createOAuthService({
    store,
    tokens,
    denylist,
    sessions,
    usage,
    apiKeys,
    findLiveKey,
  })
  const hosts = createAppHosts(
    config.PUBLIC_URL,
    config.FORWARD_AUTH_HOSTS,
    config.TRUST_PROXY.filter((item) => item !== 'none'),
  )
  const authorization = createAuthorizationService({
    store,
    clients,
    tokens,
    limits,
    marks: createLoginMarks(keysSecret, clock),
    newId,
    log,
    issuer: config.JWT_ISSUER,
    sessionsPerUser: config.SESSIONS_PER_USER,
    hosts: hosts.byRedirectUri,
  })
  const deviceLogins =
    config.DEVICE_LOGIN === 'off'
      ? undefined
      : createDeviceLogins({
          store,
          tokens,
          limits,
          reauthentication,
          newId,
          keysSecret,
          publicUrl: config.PUBLIC_URL,
          sessionsPerUser: config.SESSIONS_PER_USER,
        })
  const converter = createConverter({ log })
  const uploads = createUploadService({ store, converter })
  const administration = createAdministrationService({
    store,
    users,
    roles,
    passwords,
    policy,
    newId,
  })

  const imports = createImportService({ store, passwords, lanes: config.HASH_LANES })

  return {
    ...loginServices,
    accounts,
    administration,
    admission,
    apiKeys,
    audit: store.audit,
    authorization,
    clients,
    clock,
    converter,
    denials: createAccessDenials({ audit: store.audit, log, clock }),
    denylist,
    deviceLogins,
    exports: createExportService({ store }),
    failureDelay,
    findLiveKey,
    hosts,
    imports,
    invitations,
    issued: shared.issued,
    keyring,
    lanes,
    limits,
    loginNotices: createLoginNoticeService({ store }),
    oauth,
    mailbox,
    newId,
    outboxWorkers,
    passwords,
    replica,
    restorer,
    revocations,
    roles,
    rotation,
    store,
    tokens,
    transports,
    uploads,
    users,
    verifyAttestation,
  }
}

export type Services = Awaited<ReturnType<typeof createServices>>
