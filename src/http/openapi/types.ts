import type { ErrorCode } from '../../errors.js'

/** The parts of an OpenAPI 3.1 document that this folder reads or writes. */
export type OpenApi = {
  info: object
  servers: { url: string }[]
  tags?: { name: string; description: string }[]
  externalDocs?: { url: string; description?: string }
  components: {
    securitySchemes?: Record<string, object>
    schemas?: Record<string, Schema>
    headers?: Record<string, object>
    responses?: Record<string, Response>
  }
  paths: Record<string, Record<string, Operation>>
}

export type Operation = {
  'x-errors'?: readonly ErrorCode[]
  operationId?: string
  summary?: string
  description?: string
  tags?: string[]
  security?: Record<string, string[]>[]
  parameters?: { name: string; in: string; schema: Schema }[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, Response>
}

export type Response = {
  $ref?: string
  description?: string
  headers?: Record<string, object>
  content?: Content
}

export type Content = Record<string, { schema: Schema; example?: unknown }>

export type Schema = {
  $ref?: string
  title?: string
  type?: string | string[]
  format?: string
  description?: string
  pattern?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  minimum?: number
  maximum?: number
  maxLength?: number
  maxItems?: number
  contentMediaType?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  allOf?: Schema[]
}
