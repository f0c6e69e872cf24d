import { platform } from './platform.js'
import { uploadingFetch, type Progress } from './upload.js'

/** An HTML form. Typed here, because the types of browsers are not those of Node. */
type Form = { getAttribute: (name: string) => string | null }
type FormDataOf = new (form: Form) => FormData

/**
 * In a browser: posts a form with its files to the site that has it, and tells the progress.
 * @returns the page that the site answers with, after its redirects
 */
export async function sendForm(
  form: Form,
  onProgress: Progress,
  { signal }: { signal?: AbortSignal } = {},
): Promise<Response> {
  const { XMLHttpRequest } = platform
  if (!XMLHttpRequest) throw new TypeError('sendForm() needs a browser')
  const body = new (FormData as unknown as FormDataOf)(form)
  // As a browser asks for a page, so that a site redirects to its login page.
  const init = { method: 'POST', headers: { accept: 'text/html' }, body }
  const address = form.getAttribute('action') ?? ''
  return uploadingFetch(XMLHttpRequest, onProgress)(address, { ...init, ...(signal && { signal }) })
}
