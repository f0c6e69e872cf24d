import { GatehouseError } from '../errors.js'
import { isSiteFault } from './faults.js'

export type Posted = {
  /** What the handler answered. Return it from the page. */
  reply?: Response
  /** What the visitor can do better, for the page to show. */
  fault?: string
  /** The login needs a second factor: show a form for the code, with this as a hidden field. */
  challenge?: string
}

/**
 * Handles a posted form in the frontmatter of a page: the texts of the form, then the form itself for files. A
 * refusal of Gatehouse becomes a sentence for the visitor. Any other error, and a refusal of the site itself, is thrown.
 */
export async function onPost(
  { request }: { request: { method: string; formData: () => Promise<FormData> } },
  handle: (fields: Partial<Record<string, string>>, form: FormData) => Promise<Response>,
): Promise<Posted> {
  if (request.method !== 'POST') return {}
  const form = await request.formData()
  const fields = textsOf(form)
  try {
    return { reply: await handle(fields, form) }
  } catch (error) {
    if (!(error instanceof GatehouseError) || isSiteFault(error)) throw error
    if (error.challenge !== undefined) return { challenge: error.challenge }
    const fault = error.errors[0]?.message ?? error.message
    // After a wrong code the visitor tries again. An unknown challenge needs another login.
    const canRetry = error.code === 'invalid_code' || error.code === 'rate_limited'
    return {
      fault,
      ...(canRetry && fields.challenge !== undefined && { challenge: fields.challenge }),
    }
  }
}

/** Without fields that were left empty. */
function textsOf(form: FormData): Partial<Record<string, string>> {
  const texts: Partial<Record<string, string>> = {}
  form.forEach((value, name) => {
    if (typeof value === 'string' && value !== '') texts[name] = value
  })
  return texts
}
