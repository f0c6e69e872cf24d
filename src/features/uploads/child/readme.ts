import { invalidReadme, readMarkdown } from './front-matter.js'
import { toHtml } from './html.js'
import type { StoredReadme } from '../repository.js'

// 64 KB of markdown become at most 16 times as much HTML.
const maxHtml = 1_048_576

/** @throws AppError `invalid_readme` */
export function readReadme(bytes: Buffer): Omit<StoredReadme, 'hash'> {
  const readme = readMarkdown(bytes)
  const html = toHtml(readme.markdown)
  if (html.length > maxHtml) throw invalidReadme('readme', 'is longer than 1 MB as HTML')
  return { ...readme, html }
}
