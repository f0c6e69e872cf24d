import { GatehouseError } from '../errors.js'

export type Posted = {
  /** What the handler answered. Return it from the page. */
  reply?: Response
  /** What the visitor can do better, for the page to show. */
  fault?: string
}

/**
 * Handles a posted form in the frontmatter of a page: the texts of the form, then the form itself for files. A
 * refusal of Gatehouse becomes a sentence for the visitor; any other error is thrown.
 */
export async function onPost(
  { request }: { request: { method: string; formData: () => Promise<FormData> } },
  handle: (fields: Partial<Record<string, string>>, form: FormData) => Promise<Response>,
): Promise<Posted> {
  if (request.method !== 'POST') return {}
  const form = await request.formData()
  try {
    return { reply: await handle(textsOf(form), form) }
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error
    return { fault: error.errors[0]?.message ?? error.message }
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
