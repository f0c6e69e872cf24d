import { Eta } from 'eta'
import type { MessageContent } from './messages.js'

const html = new Eta({ autoEscape: true, autoTrim: false })
const plain = new Eta({ autoEscape: false, autoTrim: false })

const htmlLayout = html.compile(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title><%= it.subject %></title>
</head>
<body style="margin:0;padding:32px 16px;font:16px/1.5 system-ui,sans-serif">
<div style="max-width:480px;margin:0 auto">
<h1 style="font-size:20px"><%= it.subject %></h1>
<p><%= it.lines[0] %></p>
<% if (it.code) { %><p style="font:700 28px/1.5 ui-monospace,monospace;content-spacing:4px"><%= it.code %></p>
<% } if (it.action) { %><p><a href="<%= it.action.url %>" style="display:inline-block;padding:12px 20px;border-radius:8px;background:#1d4ed8;color:#fff;text-decoration:none"><%= it.action.label %></a></p>
<% } it.lines.slice(1).forEach((line) => { %><p style="opacity:.75"><%= line %></p>
<% }) %></div>
</body>
</html>
`)

const textLayout = plain.compile(`<%= it.lines[0] %>

<% if (it.code) { %>Code: <%= it.code %>

<% } if (it.action) { %><%= it.action.label %>:
<%= it.action.url %>

<% } %><%= it.lines.slice(1).join('\\n\\n') %>
`)

const smsLayout = plain.compile(
  `<%= it.subject %><% if (it.code) { %>: <%= it.code %><% } if (it.action) { %> <%= it.action.url %><% } %>`,
)

/** Renders a message as an HTML document. */
export const toHtml = (content: MessageContent) => html.render(htmlLayout, content)

/** Renders a message as plain text. */
export const toText = (content: MessageContent) => plain.render(textLayout, content)

/** Renders a message as SMS text. */
export const toSms = (content: MessageContent) => plain.render(smsLayout, content)
