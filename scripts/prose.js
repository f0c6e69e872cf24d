// A reminder of plain English, run by `npm run lint`: it finds long sentences and words that a reader has to
// decode. Whether a text is clear, a reader decides.
import { readdirSync, readFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const list = (folder, ending) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !/node_modules|dist\//.test(name))
    .map((name) => `${folder}${name}`)

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md') && name !== 'CHANGELOG.md'),
  ...list('docs/', '.md'),
  ...list('examples/', '.md'),
  ...list('packages/', '.md'),
]
const sources = [...list('src/', '.ts'), ...list('packages/', '.ts')]

const longest = 30

// A paper that is not in the repository; and what English said long ago, or only poems say.
const everywhere = '[RTDFG]\\d{1,3}'
const inPages =
  'whoever|whatever|whom|anew|what is none|is none|who has|of which|beat|told of|in vain|spelt|alike|bears?|tends?|' +
  'doubts?|over and over|at fault|for want of|as it were|hence|thus|upon|nobody|somebody|ours'
// Only what is at zero in src: the list grows as the source gets plainer.
const inSources =
  'anew|what is none|beat|told of|spelt|bears?|tends?|doubts?|for want of|as it were|hence|thus|upon'

const faults = []

for (const [files, words] of [
  [pages, inPages],
  [sources, inSources],
]) {
  const pattern = new RegExp(`\\b(${everywhere}|${words})\\b`, 'i')
  for (const file of files) {
    read(file).forEach((line, at) => {
      const found = pattern.exec(line)
      if (found) faults.push(`${file}:${at + 1}: "${found[0]}"`)
    })
  }
}

for (const file of pages) {
  for (const sentence of sentencesOf(read(file).join('\n'))) {
    const count = sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length
    if (count > longest) faults.push(`${file}: ${count} words: ${sentence.slice(0, 80)}…`)
  }
}

for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exitCode = 1

function read(file) {
  return readFileSync(new URL(file, root), 'utf8').split('\n')
}

/** Of paragraphs, list items and cells of tables; what stands in code counts as a word. */
function sentencesOf(text) {
  return text
    .replaceAll(/^ *```[^]*?^ *```/gm, '\n\n')
    .replaceAll(/`[^`\n]*`/g, 'code')
    .replaceAll(/\]\([^)]*\)/g, ']')
    .split(/\n\n|^ *(?:[-*>]|\d+\.) |\|/m)
    .flatMap((part) => part.split(/[.!?;](?:\s|$)/))
    .map((sentence) => sentence.trim().replaceAll('\n', ' '))
}
