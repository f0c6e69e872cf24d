import { renderSVG } from 'uqr'
import type { Clock } from '../../concurrency/clock.js'
import { createSeal } from '../../crypto/seal.js'
import { createRecoveryCodes } from './recovery-codes.js'
import type { FactorRepository } from './repository.js'
import type { Enrolment } from './schemas.js'
import { newKey, stepOf, uriOf } from './totp.js'

type Options = {
  /** KEYS_SECRET. */
  keysSecret: string
  appName: string
  clock: Pick<Clock, 'now'>
}

/** How a second factor was given. */
export type Second = 'totp' | 'recovery' | 'passkey' | 'trusted'

type Spending = { factors: Pick<FactorRepository, 'findTotp' | 'spendCode' | 'spendStep'> }
type Enrolling = { factors: Pick<FactorRepository, 'putPending'> }
type Confirming = {
  factors: Pick<FactorRepository, 'confirm' | 'findTotp' | 'forgetAll' | 'replaceCodes'>
}

/** How long a new secret waits for its confirmation, in seconds. */
const pendingTtl = 600

/** Makes and checks the secrets of second factors. Only sealed or hashed ones are stored. */
export function createFactorSecrets({ keysSecret, appName, clock }: Options) {
  const box = createSeal(keysSecret, 'second factors')
  const codes = createRecoveryCodes(keysSecret)

  return {
    /** Makes a secret for an authenticator app. It counts once a code has confirmed it. */
    async enrol({ factors }: Enrolling, userId: string, label: string): Promise<Enrolment> {
      const key = newKey()
      await factors.putPending(userId, box.seal(key, userId), pendingTtl)
      const uri = uriOf(key, appName, label)
      return { key, uri, qr: renderSVG(uri) }
    },

    /**
     * Confirms the waiting secret by a code. Trust of devices ends, and new recovery codes are made.
     * @returns the recovery codes, or undefined if the code is wrong
     */
    async confirm(
      { factors }: Confirming,
      userId: string,
      code: string,
    ): Promise<string[] | undefined> {
      const stored = await factors.findTotp(userId)
      const step = stored?.pending
        ? stepOf(box.open(stored.pending, userId), digitsOf(code), clock.now())
        : undefined
      if (step === undefined || !(await factors.confirm(userId, step))) return undefined
      await factors.forgetAll(userId)
      return makeCodes({ factors }, userId)
    },

    /** Replaces the recovery codes. */
    makeCodes,

    /** Uses a code of the app, or a recovery code, up. Returns undefined if it is wrong or was used. */
    async spend({ factors }: Spending, userId: string, code: string): Promise<Second | undefined> {
      if (!/^[0-9]{6}$/.test(digitsOf(code))) {
        const isRight = await factors.spendCode(userId, codes.hash(userId, code))
        return isRight ? 'recovery' : undefined
      }
      const secret = (await factors.findTotp(userId))?.secret
      if (!secret) return undefined
      const step = stepOf(box.open(secret, userId), digitsOf(code), clock.now())
      if (step === undefined || !(await factors.spendStep(userId, step))) return undefined
      return 'totp'
    },
  }

  async function makeCodes(
    { factors }: { factors: Pick<FactorRepository, 'replaceCodes'> },
    userId: string,
  ): Promise<string[]> {
    const made = codes.make()
    await factors.replaceCodes(
      userId,
      made.map((code) => codes.hash(userId, code)),
    )
    return made
  }
}

export type FactorSecrets = ReturnType<typeof createFactorSecrets>

/** Apps show codes in two groups. */
const digitsOf = (code: string): string => code.replace(/\s/g, '')
