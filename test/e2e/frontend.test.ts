import sharp from 'sharp'
import t from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { openBrowser, openPage } from '../support/browser.js'

type Answer = { status: string; access_token?: string; user?: { picture_url?: string } }

/** A frontend on the same origin, as behind a reverse proxy: a page with nothing but its script. */
t.test('the code of a frontend logs in and uploads from a page', async (t) => {
  const { app, origin } = await listeningApp(t)
  await signUp(app)
  const browser = await openBrowser(t)
  const { page, complaints } = await openPage(browser)
  await page.route(`${origin}/frontend`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Frontend</title>' }),
  )
  await page.goto(`${origin}/frontend`)

  const run = (code: string) => page.evaluate<Answer>(`(async () => { ${code} })()`)
  const login = await run(`
    const response = await fetch('/api/login', {
        method: 'POST',
        headers: {
            'Content-Type': 'application/json',
        },
        body: JSON.stringify(${JSON.stringify(ada)}),
    });
    const data = await response.json();
    if (data.status === 'success') {
        localStorage.setItem('accessToken', data.access_token);
    }
    return data`)
  t.equal(login.status, 'success')
  t.match(login.access_token, /^[\w-]+\.[\w-]+\.[\w-]+$/)

  const upload = (path: string, field: string, name: string, content: Buffer) =>
    run(`
    const accessToken = localStorage.getItem('accessToken');
    const yourFileObject = new File([new Uint8Array([${[...content].join()}])], '${name}');
    const formData = new FormData();
    formData.append('${field}', yourFileObject);
    const response = await fetch('${path}', {
        method: 'POST',
        headers: {
            'Authorization': \`Bearer \${accessToken}\`,
        },
        body: formData,
    });
    return response.json()`)
  const bytes = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer()
  const pictured = await upload('/api/upload_profile_pic', 'profile_pic', 'me.jpg', bytes)
  t.equal(pictured.status, 'success')
  const width = await page.evaluate(`(async () => {
    const image = new Image()
    image.src = '${pictured.user?.picture_url?.replace(/^https?:\/\/[^/]+/, '')}'
    await image.decode()
    return image.naturalWidth
  })()`)
  t.equal(width, 8)

  const readme = Buffer.from('---\ntitle: Ada\ntags: [a, b]\n---\n# Hello\n')
  t.match(await upload('/api/upload_readme', 'readme_file', 'README.md', readme), {
    status: 'success',
    readme: { front_matter: { title: 'Ada', tags: ['a', 'b'] }, markdown: '# Hello\n' },
  })
  t.same(complaints, [])
})
