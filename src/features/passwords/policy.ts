import { dictionary } from '@zxcvbn-ts/language-common'
import { AppError } from '../../errors.js'

/** Longer passwords are refused, never cut. */
export const maxPasswordBytes = 1_024

const common = new Set(dictionary['passwords-common'].map((word) => word.toLowerCase()))

/**
 * The rules for a new password: length and blocklist, nothing about its composition
 * (NIST SP 800-63B-4 §3.1.1.2, ASVS 6.2).
 */
export function createPasswordPolicy(minLength: number) {
  return {
    /**
     * @param context what is known of the user: names, addresses, numbers
     * @throws AppError `weak_password`
     */
    check(password: string, context: (string | null | undefined)[], field = 'password'): void {
      const normal = password.normalize('NFC')
      const fault =
        Array.from(normal).length < minLength
          ? `must have ${minLength} characters or more`
          : Buffer.byteLength(normal) > maxPasswordBytes
            ? `must have ${maxPasswordBytes} bytes or less`
            : isCommon(normal)
              ? 'is one of the most common passwords'
              : isPersonal(normal, context)
                ? 'must not be a name, address or number of the account'
                : undefined
      if (fault) throw new AppError('weak_password', { fields: [{ field, message: fault }] })
    },
  }
}

export type PasswordPolicy = ReturnType<typeof createPasswordPolicy>

const fold = (text: string) => text.normalize('NFKC').toLowerCase()

/** Common as it stands, or one common word or character over and over. */
function isCommon(password: string): boolean {
  const folded = fold(password)
  return common.has(folded) || new Set(folded).size < 3
}

/** "alice", "Alice_2024!" and "alice@example.org" all say who the account belongs to. */
function isPersonal(password: string, context: (string | null | undefined)[]): boolean {
  const words = new Set(['gatehouse'])
  for (const word of context) {
    if (!word) continue
    const folded = fold(word)
    words
      .add(folded)
      .add(folded.split('@')[0] ?? folded)
      .add(bare(folded))
  }
  const folded = fold(password)
  return [folded, bare(folded)].some((form) => form.length > 2 && words.has(form))
}

/** Without the digits and punctuation around it. */
const bare = (text: string) => text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
