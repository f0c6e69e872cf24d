import type { Schema } from './types.js'

// No body, and so no value in it, is larger.
const maxText = 1_048_576
const maxFile = 6_291_456
const maxItems = 100_000

/** Moves each schema that has a title to the components, and refers to it from where it stood. */
export function extractNamed(tree: object): Record<string, Schema> {
  const named: Record<string, Schema> = {}

  function visit(node: unknown): unknown {
    if (Array.isArray(node)) return node.map(visit)
    if (!isObject(node)) return node
    for (const [key, value] of Object.entries(node)) node[key] = visit(value)
    const { title } = node
    if (typeof title !== 'string' || !('type' in node || 'anyOf' in node)) return node
    named[title] ??= node as Schema
    return { $ref: `#/components/schemas/${title}` }
  }

  visit(tree)
  return Object.fromEntries(Object.entries(named).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Gives each value a limit, and each number its format. */
export function limitSchema(tree: object): void {
  for (const value of Object.values(tree)) if (isObject(value)) limitSchema(value)
  const schema = tree as Schema
  const types = [schema.type].flat()
  if (schema.enum || schema.const !== undefined) return
  if (types.includes('string')) schema.maxLength ??= schema.format === 'binary' ? maxFile : maxText
  if (types.includes('array')) schema.maxItems ??= maxItems
  if (types.includes('integer')) {
    schema.minimum ??= Number.MIN_SAFE_INTEGER
    schema.maximum ??= Number.MAX_SAFE_INTEGER
    schema.format ??= schema.maximum > 2_147_483_647 ? 'int64' : 'int32'
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** The object schema of a value, or the first object schema among its alternatives. */
export function objectOf({ anyOf, ...schema }: Schema): Schema | undefined {
  if (anyOf) return anyOf.map(objectOf).find((found) => found !== undefined)
  return schema.properties && schema
}

/** Whether the schema also accepts null or no body. */
export const isOptional = ({ anyOf = [] }: Schema) => anyOf.some(({ type }) => type === 'null')
