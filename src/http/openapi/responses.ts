import { STATUS_CODES } from 'node:http'
import type { OpenApi, Operation, Response } from './types.js'

/** Moves each response that several operations have to the components, and refers to it from where it stood. */
export function extractShared(paths: OpenApi['paths']): Record<string, Response> {
  const uses = new Map<string, { responses: Operation['responses']; status: string }[]>()
  for (const operation of Object.values(paths).flatMap(Object.values<Operation>)) {
    for (const [status, response] of Object.entries(operation.responses)) {
      const key = `${status} ${JSON.stringify(response)}`
      uses.set(key, [...(uses.get(key) ?? []), { responses: operation.responses, status }])
    }
  }

  const shared: Record<string, Response> = {}
  for (const [first, ...others] of uses.values()) {
    const response = first?.responses[first.status]
    if (!first || !response || others.length === 0) continue
    const name = freeName(nameOf(first.status), shared)
    shared[name] = response
    for (const { responses, status } of [first, ...others]) {
      responses[status] = { $ref: `#/components/responses/${name}` }
    }
  }
  return shared
}

/** `404` is `NotFound`. */
function nameOf(status: string): string {
  return STATUS_CODES[status]?.replaceAll(/\W/g, '') ?? 'Failure'
}

function freeName(name: string, taken: object): string {
  let count = 1
  while ((count === 1 ? name : `${name}${count}`) in taken) count += 1
  return count === 1 ? name : `${name}${count}`
}

/** The response itself, where the document refers to one. */
export function resolveResponse(
  { components }: OpenApi,
  response?: Response,
): Response | undefined {
  const name = response?.$ref?.split('/').at(-1)
  return name === undefined ? response : components.responses?.[name]
}
