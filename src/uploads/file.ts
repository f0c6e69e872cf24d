import multipart from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'

/** Reads multipart forms in a scope: one file, a few small fields, and nothing else gets in. */
export async function acceptFiles(app: FastifyInstance, fileSize: number): Promise<void> {
  await app.register(multipart, {
    throwFileSizeLimit: true,
    limits: {
      fileSize,
      files: 1,
      fields: 5,
      parts: 6,
      fieldSize: 1_024,
      fieldNameSize: 64,
      headerPairs: 20,
    },
  })
}

/**
 * The bytes of the one file part, whatever its field is called.
 * @throws AppError `unsupported_media_type`, `file_required`, `body_too_large`, `bad_request`
 */
export async function readFile(request: FastifyRequest): Promise<Buffer> {
  if (!request.isMultipart()) throw new AppError('unsupported_media_type')
  let found: Buffer | undefined
  try {
    // To the end of the form, so that a second file or a cut is noticed.
    for await (const part of request.parts()) {
      if (part.type === 'file') found = await part.toBuffer()
      else if (part.valueTruncated || part.fieldnameTruncated) throw new AppError('body_too_large')
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    const { statusCode } = cause as { statusCode?: number }
    throw new AppError(statusCode === 413 ? 'body_too_large' : 'bad_request', { cause })
  }
  if (!found || found.length === 0) throw new AppError('file_required')
  return found
}
