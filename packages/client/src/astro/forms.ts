import { GatehouseError } from '../errors.js'
import { isSiteFault } from './faults.js'

export type Posted<Name extends string = string> = {
  /** What the handler answered. Return it from the page. */
  reply?: Response
  /** What the visitor can do better, for the page to show. */
  fault?: string
  /** The login needs a second factor: show a form for the code, with this as a hidden field. */
  challenge?: string
  /**
   * What the second factor may be. Without a `challenge` only Gatehouse's own pages can ask for it: `enrol_totp` or
   * `passkey`.
   */
  methods?: string[]
  /** The texts of the fields that the page shows again. */
  kept: Partial<Record<Name, string>>
}

/**
 * Handles a posted form in the frontmatter of a page: the texts of the form, then the form itself for files. A
 * refusal of Gatehouse becomes a sentence for the visitor. Any other error, and a refusal of the site itself, is thrown.
 * @param keep the fields whose texts come back after a fault. Never a password
 */
export async function onPost<Name extends string = never>(
  { request }: { request: { method: string; formData: () => Promise<FormData> } },
  handle: (fields: Partial<Record<string, string>>, form: FormData) => Promise<Response>,
  keep: Name[] = [],
): Promise<Posted<Name>> {
  if (request.method !== 'POST') return { kept: {} }
  const form = await request.formData()
  const fields = textsOf(form)
  const texts = keep.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]]))
  const kept = Object.fromEntries(texts) as Posted<Name>['kept']
  try {
    return { reply: await handle(fields, form), kept }
  } catch (error) {
    if (!(error instanceof GatehouseError) || isSiteFault(error)) throw error
    return { ...explain(error, fields), kept }
  }
}

function explain(error: GatehouseError, fields: Partial<Record<string, string>>) {
  const { challenge, methods } = error
  if (challenge !== undefined) {
    if (methods.includes('totp')) return { challenge, methods }
    const isPasskey = methods.includes('passkey')
    return { fault: isPasskey ? passkeyNeeded : factorNeeded, methods }
  }
  const fault = error.errors[0]?.message ?? error.message
  // After a wrong code the visitor tries again. An unknown challenge needs another login.
  const canRetry = error.code === 'invalid_code' || error.code === 'rate_limited'
  return {
    fault,
    ...(canRetry && fields.challenge !== undefined && { challenge: fields.challenge }),
  }
}

const passkeyNeeded = 'This account logs in with its passkey, which this form cannot ask for.'
const factorNeeded = 'This account needs a second factor before it can log in here.'

/** Without fields that were left empty. */
function textsOf(form: FormData): Partial<Record<string, string>> {
  const texts: Partial<Record<string, string>> = {}
  form.forEach((value, name) => {
    if (typeof value === 'string' && value !== '') texts[name] = value
  })
  return texts
}
