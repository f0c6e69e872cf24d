import sharp from 'sharp'
import t, { type Test } from 'tap'
import { listeningApp, signUp } from '../support/app.js'

/** As the Astro frontend sends a file, but for the host. */
async function upload(url: string, field: string, file: File, headers: Record<string, string>) {
  const formData = new FormData()
  formData.append(field, file)
  const response = await fetch(url, { method: 'POST', headers, body: formData })
  return { status: response.status, data: (await response.json()) as Record<string, unknown> }
}

async function frontend(t: Test) {
  const { app, origin, sql } = await listeningApp(t)
  const { access_token, user } = await signUp(app)
  return { origin, sql, user, headers: { Authorization: `Bearer ${access_token}` } }
}

async function somePicture(): Promise<File> {
  const create = { width: 40, height: 20, channels: 3, background: 'rebeccapurple' } as const
  return new File([await sharp({ create }).png().toBuffer()], 'me.png', { type: 'image/png' })
}

const someReadme = () =>
  new File(
    ['---\ntitle: Ada\ntags: [math, engines]\nlevel: 3\n---\n# Hello\n\nI count.\n'],
    'README.md',
    { type: 'text/markdown' },
  )

t.test('the field profile_pic sets the picture, and its URL serves it', async (t) => {
  const { origin, user, headers } = await frontend(t)
  const picture = await somePicture()
  const answer = await upload(`${origin}/api/upload_profile_pic`, 'profile_pic', picture, headers)
  t.equal(answer.status, 200)
  t.match(answer.data, { status: 'success', user: { id: user.id, picture_url: String } })
  const { picture_url } = answer.data.user as { picture_url: string }
  const { pathname, search } = new URL(picture_url)
  const served = await fetch(origin + pathname + search)
  t.equal(served.status, 200)
  t.equal(served.headers.get('content-type'), 'image/webp')
  const { format, width, height } = await sharp(await served.arrayBuffer()).metadata()
  t.strictSame({ format, width, height }, { format: 'webp', width: 40, height: 20 })

  const me = await fetch(`${origin}/api/user`, { headers })
  t.match(await me.json(), { user: { picture_url } })
})

t.test('the field readme_file sets the README, with its front matter as JSON', async (t) => {
  const { origin, user, headers } = await frontend(t)
  const answer = await upload(`${origin}/api/upload_readme`, 'readme_file', someReadme(), headers)
  const readme = {
    front_matter: { title: 'Ada', tags: ['math', 'engines'], level: 3 },
    markdown: '# Hello\n\nI count.\n',
  }
  t.equal(answer.status, 200)
  t.match(answer.data, { status: 'success' })
  t.strictSame(answer.data.readme, readme)
  const served = await fetch(`${origin}/api/users/${user.id}/readme`)
  t.match(await served.json(), { status: 'success', readme })
})

t.test('a file that is no picture is refused, and the picture before stays', async (t) => {
  const { origin, headers } = await frontend(t)
  const url = `${origin}/api/upload_profile_pic`
  const first = await upload(url, 'profile_pic', await somePicture(), headers)
  const { picture_url } = first.data.user as { picture_url: string }
  const fake = new File(['<svg onload="alert(1)"/>'], 'me.png', { type: 'image/png' })
  const answer = await upload(url, 'profile_pic', fake, headers)
  t.match(answer, { status: 422, data: { status: 'error', code: 'invalid_picture' } })
  const me = await fetch(`${origin}/api/user`, { headers })
  t.match(await me.json(), { user: { picture_url } })
})

t.test('without a token, or with a bad one, nothing is stored', async (t) => {
  const { origin, sql, headers } = await frontend(t)
  const [head = '', body = '', signature = ''] = headers.Authorization.split('.')
  const forged = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
  const table: [string, Record<string, string>][] = [
    ['none', {}],
    ['an empty one', { Authorization: 'Bearer ' }],
    ['null, as localStorage gives it', { Authorization: 'Bearer null' }],
    ['another signature', { Authorization: forged }],
    ['another scheme', { Authorization: headers.Authorization.replace('Bearer', 'Token') }],
  ]
  for (const [name, bad] of table) {
    const picture = await somePicture()
    const answers = [
      await upload(`${origin}/api/upload_profile_pic`, 'profile_pic', picture, bad),
      await upload(`${origin}/api/upload_readme`, 'readme_file', someReadme(), bad),
    ]
    for (const answer of answers) {
      t.match(answer, { status: 401, data: { status: 'error', message: 'Not logged in' } }, name)
    }
  }
  t.strictSame(await sql('select user_id from pictures union all select user_id from readmes'), [])
})

t.test('the token of a session that was logged out uploads nothing', async (t) => {
  const { origin, headers } = await frontend(t)
  await fetch(`${origin}/api/logout`, { method: 'POST', headers })
  const url = `${origin}/api/upload_profile_pic`
  const answer = await upload(url, 'profile_pic', await somePicture(), headers)
  t.equal(answer.status, 401)
})
