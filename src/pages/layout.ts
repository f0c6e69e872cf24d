import { createHash } from 'node:crypto'
import { Eta } from 'eta'
import type { FastifyReply } from 'fastify'

const eta = new Eta({ autoEscape: true, autoTrim: false })

const style = `
:root { color-scheme: light dark; --accent: #1d4ed8; --on-accent: #fff; --line: #8886; --soft: #8881; --bad: #b91c1c }
@media (prefers-color-scheme: dark) { :root { --accent: #7aa2ff; --on-accent: #0b1020; --bad: #ff8a8a } }
* { box-sizing: border-box }
body { margin: 0; padding: 1.5rem 1rem 4rem; font: 1rem/1.5 system-ui, sans-serif }
header, main { max-width: 26rem; margin: 0 auto }
header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; padding-bottom: .75rem; border-bottom: 1px solid var(--line) }
header a:first-child { font-weight: 700; margin-right: auto; text-decoration: none; color: inherit }
main { padding-top: 6vh }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 1rem }
a { color: var(--accent) }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600 }
small { display: block; opacity: .75 }
input { width: 100%; padding: .625rem .75rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .5rem }
[aria-invalid=true] { border-color: var(--bad) }
button, .button { display: block; width: 100%; margin-top: 1.5rem; padding: .75rem; font: inherit; font-weight: 600; text-align: center; text-decoration: none; border: 0; border-radius: .5rem; background: var(--accent); color: var(--on-accent); cursor: pointer }
.button.other { margin-top: .75rem; background: var(--soft); color: inherit; border: 1px solid var(--line) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
[role=status], [role=alert] { padding: .75rem 1rem; border-radius: .5rem; background: var(--soft); border-left: 4px solid var(--accent) }
[role=alert], .fault { color: var(--bad) }
[role=alert] { border-color: var(--bad) }
small.fault { opacity: 1 }
img { display: block; width: 6rem; height: 6rem; border-radius: 50%; object-fit: cover }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem }
dt { opacity: .75 } dd { margin: 0; overflow-wrap: anywhere }
`

const hash = createHash('sha256').update(style).digest('base64')

/**
 * Nothing but our own style, pictures and forms; no script at all (CSP level 3). A browser holds the
 * redirect after a form to `form-action` too, so the origins that a login may lead to are in it.
 */
const contentSecurityPolicy = (origins: string[]) =>
  [
    "default-src 'none'",
    `style-src 'sha256-${hash}'`,
    "img-src 'self'",
    `form-action ${["'self'", ...origins].join(' ')}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

const layout = eta.compile(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<% if (it.refresh) { %><meta http-equiv="refresh" content="0; url=<%= it.refresh %>">
<% } %><title><%= it.title %> · <%= it.appName %></title>
<style>${style}</style>
</head>
<body>
<header>
<a href="/"><%= it.appName %></a>
<% if (it.who) { %><a href="/welcome"><%= it.who %></a>
<a href="/logout">Log out</a>
<% } else { %><a href="/login">Log in</a>
<a href="/register">Register</a>
<% } %></header>
<main>
<h1><%= it.title %></h1>
<% if (it.flash) { %><p role="status"><%= it.flash %></p>
<% } if (it.fault) { %><p role="alert" id="fault"><%= it.fault %></p>
<% } %><%~ it.content %></main>
</body>
</html>
`)

const form = eta.compile(`<% if (it.text) { %><p><%= it.text %></p>
<% } %><form method="post"<% if (it.action) { %> action="<%= it.action %>"<% } if (it.isMultipart) { %> enctype="multipart/form-data"<% } %>>
<% for (const [name, value] of Object.entries(it.hidden ?? {})) { %><input type="hidden" name="<%= name %>" value="<%= value %>">
<% } it.fields.forEach((field) => { const bad = it.faults?.[field.name]; %><label for="<%= field.name %>"><%= field.label %></label>
<input id="<%= field.name %>" name="<%= field.name %>" type="<%= field.type ?? 'text' %>"<% if (field.autocomplete) { %> autocomplete="<%= field.autocomplete %>"<% } if (field.accept) { %> accept="<%= field.accept %>"<% } if (field.required) { %> required<% } if (field.minLength) { %> minlength="<%= field.minLength %>"<% } if (it.values?.[field.name]) { %> value="<%= it.values[field.name] %>"<% } if (field.name === it.focus) { %> autofocus<% } if (bad) { %> aria-invalid="true" aria-describedby="<%= field.name %>-fault"<% } %>>
<% if (bad) { %><small class="fault" id="<%= field.name %>-fault"><%= bad %></small>
<% } else if (field.hint) { %><small><%= field.hint %></small>
<% } }) %><button><%= it.button %></button>
</form>
`)

export type Field = {
  name: string
  label: string
  type?: string
  autocomplete?: string
  accept?: string
  hint?: string
  required?: boolean
  minLength?: number
}

export type Form = {
  button: string
  fields: Field[]
  text?: string
  action?: string
  isMultipart?: boolean
  takesFocus?: boolean
  hidden?: Record<string, string>
  /** What was typed; never a password. */
  values?: Record<string, string>
  /** By field: what is wrong with it. */
  faults?: Record<string, string>
}

export type Page = {
  title: string
  /** Who is signed in. */
  who?: string | undefined
  flash?: string | undefined
  fault?: string | undefined
  /** Where the page sends the browser on to: as a redirect would, but for `form-action`. */
  refresh?: string | undefined
  content: string
}

/** A form as HTML; every value in it is escaped. */
export const renderForm = (it: Form): string => eta.render(form, { ...it, focus: focusOf(it) })

/** Where to type: what is wrong, else what is empty. */
function focusOf({ takesFocus, fields, values = {}, faults = {} }: Form): string | undefined {
  if (!takesFocus) return undefined
  const wanted = fields.find(({ name }) => faults[name]) ?? fields.find(({ name }) => !values[name])
  return wanted?.name
}

/** A piece of HTML from an eta template; what `<%= %>` writes is escaped. */
export function template<Data extends object>(text: string): (data: Data) => string {
  const compiled = eta.compile(text)
  return (data) => eta.render(compiled, data)
}

/** Sends whole pages. */
export function createPageSender(appName: string, origins: string[]) {
  const policy = contentSecurityPolicy(origins)
  return (reply: FastifyReply, status: number, page: Page): FastifyReply =>
    reply
      .code(status)
      .header('content-security-policy', policy)
      .header('cross-origin-opener-policy', 'same-origin')
      // With no-referrer a form would post `Origin: null`, as another site's would (Fetch §3.2).
      .header('referrer-policy', 'same-origin')
      .type('text/html; charset=utf-8')
      .serializer(String)
      .send(eta.render(layout, { ...page, appName }))
}

export type SendPage = ReturnType<typeof createPageSender>
