import { AppError, type FieldError } from '../../errors.js'

/** Longer passwords are rejected, never truncated. */
export const maxPasswordBytes = 1_024

/** The first password that is checked loads the list: unpacking it takes longer than the rest of a start. */
let commonPasswords: Promise<Set<string>> | undefined

/**
 * The rules for a new password: its length, and that it is not common, nor only a name, address or number of
 * the account. There are no rules about kinds of characters (NIST SP 800-63B-4 §3.1.1.2, ASVS 6.2).
 */
export function createPasswordPolicy(minLength: number) {
  return {
    /**
     * @param context the names, addresses and numbers of the user, which the password must not equal
     * @param others the faults of other fields. The error has them too, and is then `validation_failed`.
     * @throws AppError `weak_password`, `validation_failed`
     */
    async check(
      password: string,
      context: (string | null | undefined)[],
      { field = 'password', others = [] }: { field?: string; others?: FieldError[] } = {},
    ): Promise<void> {
      const normal = password.normalize('NFC')
      const fault =
        Array.from(normal).length < minLength
          ? `must have at least ${minLength} characters`
          : Buffer.byteLength(normal) > maxPasswordBytes
            ? `must have at most ${maxPasswordBytes} bytes`
            : (await isCommon(normal))
              ? 'is too common: choose another'
              : isPersonal(normal, context)
                ? 'must not be a name, address or number of the account: choose another'
                : undefined
      const fields = fault ? [...others, { field, message: fault }] : others
      if (others.length > 0) throw new AppError('validation_failed', { fields })
      if (fault) throw new AppError('weak_password', { fields })
    },
  }
}

export type PasswordPolicy = ReturnType<typeof createPasswordPolicy>

const fold = (text: string) => text.normalize('NFKC').toLowerCase()

/** Whether the password is in the list of common passwords, or has only one or two different characters. */
async function isCommon(password: string): Promise<boolean> {
  const folded = fold(password)
  commonPasswords ??= loadCommonPasswords()
  return new Set(folded).size < 3 || (await commonPasswords).has(folded)
}

async function loadCommonPasswords(): Promise<Set<string>> {
  // A CommonJS package: the bundle has the default export alone.
  const { default: language } = await import('@zxcvbn-ts/language-common')
  return new Set(language.dictionary['passwords-common'].map((word) => word.toLowerCase()))
}

/** For the user alice@example.org, the passwords "alice", "Alice_2024!" and the address are personal. */
function isPersonal(password: string, context: (string | null | undefined)[]): boolean {
  const words = new Set(['gatehouse'])
  for (const word of context) {
    if (!word) continue
    const folded = fold(word)
    words
      .add(folded)
      .add(folded.split('@')[0] ?? folded)
      .add(trimToLetters(folded))
  }
  const folded = fold(password)
  return [folded, trimToLetters(folded)].some((form) => form.length > 2 && words.has(form))
}

/** Removes digits and punctuation at both ends. */
const trimToLetters = (text: string) => text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, '')
