import { createHash } from 'node:crypto'
import multipart, { type MultipartFile } from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../../errors.js'

/** For routes that read files: 10 s to receive, 3 s to wait for a child, 10 s to decode, 1 s for the database. */
export const uploadDeadline = { deadline: 24_000 }

/** Accepts multipart forms in a scope: one file and a few small fields, nothing else. */
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

const maxLength = 6 * 1_048_576

/** An unfinished body that brings fewer `bytes` within so many milliseconds is rejected. */
type Pace = { bytes: number; within: number }
const usualPace: Pace = { bytes: 16_384, within: 5_000 }

/**
 * Returns the bytes of the only file part. The name of its field does not matter.
 * @throws AppError `unsupported_media_type`, `file_required`, `body_too_large`, `bad_request`,
 * `request_timeout`, `invalid_attestation`
 */
export async function readFile(request: FastifyRequest, pace = usualPace): Promise<Buffer> {
  if (!request.isMultipart()) throw new AppError('unsupported_media_type')
  let stop = () => {}
  const stalled = new Promise<never>((_resolve, reject) => {
    stop = onStall(request, pace, () => {
      reject(new AppError('request_timeout', { headers: { connection: 'close' } }))
    })
  })
  try {
    return await Promise.race([readParts(request), stalled])
  } finally {
    stop()
  }
}

async function readParts(request: FastifyRequest): Promise<Buffer> {
  let found: Buffer | undefined
  const checkDigest = followDigest(request)
  try {
    // Read to the end of the form, to detect a second file or a truncated body.
    for await (const part of request.parts()) {
      if (part.type === 'file')
        found = await collect(part, Number(request.headers['content-length']))
      else if (part.valueTruncated || part.fieldnameTruncated) throw new AppError('body_too_large')
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    const { statusCode } = cause as { statusCode?: number }
    throw new AppError(statusCode === 413 ? 'body_too_large' : 'bad_request', { cause })
  }
  checkDigest()
  if (!found || found.length === 0) throw new AppError('file_required')
  return found
}

/**
 * Reads along with the parser, for a body whose digest a site attests. Returns the check for the end of the body.
 * The check throws AppError `invalid_attestation`.
 */
function followDigest({ raw, signedDigest }: FastifyRequest): () => void {
  if (signedDigest === undefined) return () => {}
  const hash = createHash('sha256')
  raw.on('data', (chunk: Buffer) => hash.update(chunk))
  return () => {
    if (!raw.readableEnded || hash.digest('base64') !== signedDigest)
      throw new AppError('invalid_attestation')
  }
}

/**
 * Copies each chunk as it arrives. A stored chunk would keep the whole 64 KiB buffer of the socket in memory. A
 * few megabytes of these make V8 stop the process for a full garbage collection.
 */
async function collect(part: MultipartFile, length: number): Promise<Buffer> {
  const { file } = part
  if (!(length <= maxLength)) return part.toBuffer() // a chunked body has no Content-Length
  const bytes = Buffer.allocUnsafeSlow(length)
  let end = 0
  for await (const chunk of file as AsyncIterable<Buffer>) end += chunk.copy(bytes, end)
  if (file.truncated) throw new AppError('body_too_large')
  return bytes.subarray(0, end)
}

/** Calls `onStalled` when a body is slower than the pace. @returns a function that stops the check */
function onStall({ raw }: FastifyRequest, { bytes, within }: Pace, onStalled: () => void) {
  let before = raw.socket.bytesRead
  const timer = setInterval(() => {
    const now = raw.socket.bytesRead
    if (!raw.complete && now - before < bytes) onStalled()
    before = now
  }, within)
  return () => clearInterval(timer)
}
