import type { APIRoute } from 'astro'
import { to } from '../site'

export const POST: APIRoute = async ({ request, locals, redirect }) => {
  await locals.gatehouse.logout({ everywhere: (await request.formData()).has('everywhere') })
  return redirect(to('/'), 303)
}
