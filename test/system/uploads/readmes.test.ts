import t from 'tap'
import { bearer } from '../../support/app.js'
import { createAdmin } from '../../support/http/client.js'
import { uploader } from '../../support/pictures.js'

const path = '/api/upload_readme'
const matter = { title: 'Ada', tags: ['a', 1, 2.5, true, null], nested: { deep: { er: [{}] } } }

t.test('front matter becomes JSON, and what is behind it markdown', async (t) => {
  const { send, get, id } = await uploader(t)
  const readme = (markdown: string, front_matter: object = {}) => ({ markdown, front_matter })
  const yaml = `title: Ada\ntags:\n  - a\n  - 1\n  - 2.5\n  - true\n  - null\nnested: {deep: {er: [{}]}}`
  const rows: [sent: string | Buffer, kept: object][] = [
    [`---\n${yaml}\n---\n# Ada\n`, readme('# Ada\n', matter)],
    [`---\n${JSON.stringify(matter)}\n---\n# Ada\n`, readme('# Ada\n', matter)],
    [`---  \n${yaml}\n---\t\n# Ada\n`, readme('# Ada\n', matter)],
    [`---\r\n${yaml.replaceAll('\n', '\r\n')}\r\n---\r\n# A\r\nb`, readme('# A\nb', matter)],
    [`\ufeff---\na: 1\n---\nb`, readme('b', { a: 1 })],
    ['# Ada\n', readme('# Ada\n')],
    ['# Ada\n\n---\na: 1\n---\n', readme('# Ada\n\n---\na: 1\n---\n')],
    ['---\n\n---\n# Ada\n', readme('# Ada\n')],
    ['---\n# a comment\n---\n# Ada\n', readme('# Ada\n')],
    ['---\na: 1\n---', readme('', { a: 1 })],
    ['---\na: 1\n---\nb\n---\nc', readme('b\n---\nc', { a: 1 })],
    ['---\na: 1\n', readme('---\na: 1\n')],
    [
      '---\nd: 2001-01-01\ny: yes\nz: "0x1"\n---\n',
      readme('', { d: '2001-01-01', y: 'yes', z: '0x1' }),
    ],
    ['---\nconstructor: 1\ntoString: 2\n---\n', readme('', { constructor: 1, toString: 2 })],
    ['---\nö: "\\u2713 \u{1f480}"\n---\n\u{1f480}', readme('\u{1f480}', { ö: '\u2713 \u{1f480}' })],
  ]
  for (const [sent, kept] of rows) {
    const { status, body } = await send(sent, { path })
    const name = JSON.stringify(sent)
    t.equal(status, 200, name)
    t.strictSame(body.readme, kept, name)
    const { bytes } = await get(`/api/users/${id}/readme`)
    t.strictSame(JSON.parse(bytes.toString()), { status: 'success', readme: kept }, name)
  }
})

const html = { accept: 'text/html' }

t.test('a README is JSON, markdown or HTML, as it is asked for', async (t) => {
  const { send, get, id } = await uploader(t)
  await send('---\na: 1\n---\n# Ada\n', { path })
  const asked: [accept: string, type: string, body: string | RegExp][] = [
    ['application/json', 'application/json', /"front_matter":\{"a":1\}/],
    ['*/*', 'application/json', /"markdown":"# Ada\\n"/],
    ['text/markdown', 'text/markdown', '# Ada\n'],
    ['text/html', 'text/html', '<h1>Ada</h1>\n'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html', '<h1>Ada</h1>\n'],
    ['text/html;q=0.5, text/markdown', 'text/markdown', '# Ada\n'],
  ]
  const tags = new Set<string | null>()
  for (const [accept, type, body] of asked) {
    const url = `/api/users/${id}/readme`
    const { status, headers, bytes } = await get(url, { accept })
    t.equal(status, 200, accept)
    t.equal(headers.get('content-type'), `${type}; charset=utf-8`, accept)
    t.match(bytes.toString(), body, accept)
    t.equal(headers.get('vary'), 'Accept')
    t.equal(headers.get('cache-control'), 'public, no-cache')
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(
      headers.get('content-security-policy'),
      "default-src 'none'; frame-ancestors 'none'; sandbox",
    )
    t.equal(headers.get('cross-origin-resource-policy'), 'cross-origin')
    const etag = headers.get('etag') ?? ''
    tags.add(etag)
    const again = await get(url, { accept, 'if-none-match': etag })
    t.strictSame([again.status, again.bytes.length], [304, 0], accept)
    t.equal(again.headers.get('vary'), 'Accept')
    const another = type === 'text/html' ? 'text/markdown' : 'text/html'
    const crossed = await get(url, { accept: another, 'if-none-match': etag })
    t.equal(crossed.status, 200, 'one form is not the other')
    t.equal((await get(url, { accept, 'if-none-match': '"x"' })).status, 200)
  }
  t.equal(tags.size, 3)
})

t.test('a README as HTML runs nothing and loads nothing', async (t) => {
  const { send, get, id } = await uploader(t)
  const bad = [
    '<script>alert(1)</script>',
    'a <img src=x onerror=alert(1)> b',
    '<!-- --><iframe src="//example.org"></iframe>',
    '[a](javascript:alert(1))',
    '[a](JaVaScRiPt:alert(1))',
    '[a](&#106;avascript:alert(1))',
    '[a](java\tscript:alert(1))',
    '[a](<javascript:alert(1)>)',
    '<javascript:alert(1)>',
    '[a](vbscript:x)',
    '[a](data:text/html,<script>)',
    '[a][b]\n\n[b]: javascript:alert(1)',
    '![a](https://example.org/a.png)',
    '![a](x"onerror="alert(1))',
    '[a](https://example.org/"onclick="alert(1))',
    '[a](/ "x\\"onclick=\\"alert(1)")',
    '```"><script>\nx\n```',
    '`<script>`',
  ]
  for (const markdown of bad) {
    await send(markdown, { path })
    const page = (await get(`/api/users/${id}/readme`, html)).bytes.toString()
    t.ok(page.length > 0, markdown)
    const tags = page.match(/<[^>]*>/g) ?? []
    for (const tag of tags) {
      t.match(tag, /^<\/?(p|a|pre|code)( (href|title|class)="[^"]*")*>$/, `${markdown}: ${tag}`)
      t.notMatch(tag, /href="\s*(javascript|vbscript|data):/i, `${markdown}: ${tag}`)
    }
  }
  await send('[a](https://example.org/) **b**', { path })
  const page = (await get(`/api/users/${id}/readme`, html)).bytes.toString()
  t.equal(page, '<p><a href="https://example.org/">a</a> <strong>b</strong></p>\n')
})

t.test('another README takes the place of the first, until it is deleted', async (t) => {
  const { send, get, id, token, remove, sql } = await uploader(t)
  const url = `/api/users/${id}/readme`
  const shown = async () => {
    const { bytes } = await get('/api/user', bearer(token))
    return (JSON.parse(bytes.toString()) as { user: { readme_url: string | null } }).user.readme_url
  }
  t.equal((await get(url)).status, 404)
  t.equal(await shown(), null)
  await send('---\na: 1\n---\none', { path })
  const etag = (await get(url)).headers.get('etag') ?? ''
  t.ok((await shown())?.endsWith(url))
  await send('two', { path })
  const { status, bytes } = await get(url, { 'if-none-match': etag })
  t.equal(status, 200, 'what changed is sent')
  t.match(JSON.parse(bytes.toString()), { readme: { markdown: 'two', front_matter: {} } })
  t.equal((await send('\0', { path })).status, 422)
  t.match((await get(url)).bytes.toString(), 'two', 'what is refused changes nothing')
  t.equal((await remove('/api/user/readme')).status, 200)
  t.equal((await get(url)).status, 404)
  t.equal(await shown(), null)
  t.equal((await remove('/api/user/readme')).status, 404)
  t.strictSame(await sql('select * from readmes'), [])
})

t.test('a README goes with its owner, and only an owner sends one', async (t) => {
  const service = await uploader(t)
  const { send, get, id, origin } = service
  t.equal((await send('x', { path, token: 'x' })).status, 401)
  const gone = await fetch(`${origin}/api/user/readme`, { method: 'DELETE' })
  t.equal(gone.status, 401)
  t.equal((await get(`/api/users/${id}/readme`)).status, 404)
  t.equal((await send('x', { path })).status, 200)
  const admin = await createAdmin(service)
  t.equal((await admin.send('DELETE', `/api/users/${id}`)).status, 200)
  t.equal((await get(`/api/users/${id}/readme`)).status, 404)
})

t.test('a README is 64 KB at most, its front matter 8 KB', async (t) => {
  const { send } = await uploader(t)
  const codeOf = async (text: string) => {
    const { status, body } = await send(text, { path })
    return body.code ?? status
  }
  t.equal(await codeOf('x'.repeat(65_536)), 200)
  t.equal(await codeOf('x'.repeat(65_537)), 'body_too_large')
  t.equal(await codeOf(''), 'file_required')
  const matterOf = (length: number) => `---\na: ${'x'.repeat(length - 3)}\n---\n`
  t.equal(await codeOf(matterOf(8_192)), 200)
  t.equal(await codeOf(matterOf(8_193)), 'invalid_readme')
})

t.test('empty front matter is none, and a line at the top is no front matter', async (t) => {
  const { send } = await uploader(t)
  const readmeOf = async (text: string) => (await send(text, { path })).body.readme
  t.strictSame(await readmeOf('---\n---\nbody'), { front_matter: {}, markdown: 'body' })
  t.strictSame(await readmeOf('-----\ntext'), { front_matter: {}, markdown: '-----\ntext' })
})
