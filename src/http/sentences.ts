import type { FieldError } from '../errors.js'

const labels: Record<string, string> = {
  email: 'E-mail',
  mobile: 'Mobile number',
  body: 'The body',
  querystring: 'The query',
  params: 'The path',
}

/** A fault as a sentence for people: "Limit must be between 1 and 200." */
export const sentenceOf = ({ field, message, label = labelOf(field) }: FieldError): string =>
  `${label} ${message}.`

/** The field `new_password` is "New password" for people, and `roles.0` is "Entry 1 of roles". */
function labelOf(field: string): string {
  const [, list, at] = /^([a-z_]+)\.(\d+)$/.exec(field) ?? []
  if (list !== undefined) return `Entry ${String(Number(at) + 1)} of ${toWords(list)}`
  // A client may have chosen the name.
  if (!/^[a-z]+(?:_[a-z]+)*$/.test(field)) return JSON.stringify(field)
  return labels[field] ?? capitalised(toWords(field))
}

const toWords = (name: string) => name.replaceAll('_', ' ')
const capitalised = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
