import type { FieldError } from '../errors.js'
import { ruleOf } from './patterns.js'

/** An error of ajv, as far as it is read here. */
export type SchemaError = {
  keyword: string
  instancePath: string
  params: Record<string, unknown>
}

/** The part of a request that a schema describes. */
export type Part = 'body' | 'querystring' | 'params' | 'headers'

// One body can have thousands of faults.
export const maxFaults = 16
const maxName = 100

/** The first fault of each field, at most 16 in all. A field without a name is called like its part. */
export function faultsOf(errors: SchemaError[], part: Part): FieldError[] {
  const faults = new Map<string, FieldError>()
  for (const error of errors) {
    if (isAboutAbsence(error)) continue
    const fault = faultOf(error, part)
    if (!faults.has(fault.field)) faults.set(fault.field, fault)
    if (faults.size === maxFaults) break
  }
  return [...faults.values()]
}

/** The schema of an optional body is an object or null. The faults of null would only confuse. */
const isAboutAbsence = ({ keyword, params }: SchemaError) =>
  keyword === 'anyOf' || (keyword === 'type' && params.type === 'null')

function faultOf({ keyword, instancePath, params }: SchemaError, part: Part): FieldError {
  const path = instancePath.slice(1).replaceAll('/', '.')
  const name = (params.missingProperty ?? params.additionalProperty ?? '') as string
  const field = [path, name].filter(Boolean).join('.').slice(0, maxName) || part
  const fault = { field, message: messageOf(keyword, params, part) }
  // The client chose this name: it has no label of ours.
  return keyword === 'additionalProperties'
    ? { ...fault, label: JSON.stringify(name.slice(0, maxName)) }
    : fault
}

/** The rest of a sentence, such as `must not be empty`. The name of the field comes before it. */
function messageOf(keyword: string, params: Record<string, unknown>, part: Part): string {
  const limit = Number(params.limit)
  switch (keyword) {
    case 'required':
      return 'is required'
    case 'additionalProperties':
      return 'is not a known field'
    case 'type':
      // The texts of a query are an array if the parameter is repeated.
      return part === 'querystring' ? 'must not be repeated' : `must be ${nameTypes(params.type)}`
    case 'minLength':
      return limit === 1 ? 'must not be empty' : `must have at least ${count(limit, 'character')}`
    case 'maxLength':
      return `must have at most ${count(limit, 'character')}`
    case 'minimum':
      return `must be at least ${limit.toLocaleString('en')}`
    case 'maximum':
      return `must be at most ${limit.toLocaleString('en')}`
    case 'maxItems':
      return `must have at most ${count(limit, 'entry')}`
    case 'minProperties':
      return `must have at least ${count(limit, 'field')}`
    case 'enum':
      return `must be ${either(params.allowedValues as string[])}`
    case 'const':
      return `must be ${String(params.allowedValue)}`
    case 'pattern':
      return ruleOf(String(params.pattern)) ?? 'is not valid'
    default:
      return 'is not valid'
  }
}

const typeNames: Record<string, string> = {
  string: 'text',
  boolean: 'true or false',
  integer: 'a whole number',
  array: 'a list',
  object: 'an object',
}

/** ajv gives one type, or several with commas between them. */
const nameTypes = (types: unknown) =>
  either(
    String(types)
      .split(',')
      .map((type) => typeNames[type] ?? type),
  )

const plurals = new Map([['entry', 'entries']])

function count(number: number, noun: string): string {
  const words = number === 1 ? noun : (plurals.get(noun) ?? `${noun}s`)
  return `${number.toLocaleString('en')} ${words}`
}

// Made when first needed: the start would take 15 ms longer.
let lists: Intl.ListFormat | undefined
const either = (words: string[]) =>
  (lists ??= new Intl.ListFormat('en', { type: 'disjunction' })).format(words)
