import MarkdownIt from 'markdown-it'

// Raw HTML is escaped, and links to javascript:, vbscript: and data: are not made.
const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false })

// One image could tell a stranger who reads this page, and when.
markdown.disable('image')

/** Markdown as HTML that runs nothing and loads nothing. */
export const toHtml = (text: string) => markdown.render(text)
