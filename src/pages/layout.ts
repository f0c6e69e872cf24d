import { createHash } from 'node:crypto'
import { Eta } from 'eta'

const eta = new Eta({ autoEscape: true, autoTrim: false })

const style = `
:root { color-scheme: light dark; --accent: #1d4ed8; --line: #8888; --bad: #b91c1c }
@media (prefers-color-scheme: dark) { :root { --accent: #60a5fa; --bad: #f87171 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 24rem; margin: 10vh auto 0 }
h1 { font-size: 1.5rem; margin: 0 0 1rem }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600 }
input { width: 100%; padding: .625rem .75rem; font: inherit; border: 1px solid var(--line); border-radius: .5rem }
button { width: 100%; margin-top: 1.5rem; padding: .75rem; font: inherit; font-weight: 600; border: 0; border-radius: .5rem; background: var(--accent); color: Canvas; cursor: pointer }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
[role=alert] { color: var(--bad) }
`

const hash = createHash('sha256').update(style).digest('base64')

/** Nothing but our own style and our own forms (CSP level 3). */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${hash}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const layout = eta.compile(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title><%= it.title %> · <%= it.appName %></title>
<style>${style}</style>
</head>
<body>
<main>
<h1><%= it.title %></h1>
<%~ it.content %>
</main>
</body>
</html>
`)

const confirmation = eta.compile(`<p><%= it.text %></p>
<% if (it.fault) { %><p role="alert" id="fault"><%= it.fault %></p>
<% } %><form method="post">
<input type="hidden" name="token" value="<%= it.token %>">
<% if (it.asksPassword) { %><label for="new_password">New password</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" required minlength="<%= it.minLength %>" maxlength="1024" autofocus<% if (it.fault) { %> aria-invalid="true" aria-describedby="fault"<% } %>>
<% } %><button><%= it.button %></button>
</form>
`)

const message = eta.compile('<p role="status"><%= it.text %></p>\n')

type Confirmation = {
  title: string
  text: string
  button: string
  token: string
  asksPassword: boolean
  minLength: number
  fault?: string | undefined
}

/** The pages, as HTML documents; every value in them is escaped. */
export function createPages(appName: string) {
  const page = (title: string, content: string) => eta.render(layout, { title, appName, content })
  return {
    /** A button, because opening a link must change nothing: mail scanners open them too. */
    confirmation: (it: Confirmation) => page(it.title, eta.render(confirmation, it)),
    message: (title: string, text: string) => page(title, eta.render(message, { text })),
  }
}
