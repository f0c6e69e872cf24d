import multipart, { type MultipartFile } from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../../errors.js'

/** For routes that read files: 10 s to arrive, 3 to wait, 10 to be decoded, and some for the database. */
export const uploadDeadline = { deadline: 24_000 }

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

const maxLength = 6 * 1_048_576

/** A body that brings less within so many milliseconds, and has not ended, is given up. */
type Pace = { bytes: number; within: number }
const usualPace: Pace = { bytes: 16_384, within: 5_000 }

/**
 * The bytes of the one file part, whatever its field is called.
 * @throws AppError `unsupported_media_type`, `file_required`, `body_too_large`, `bad_request`,
 * `request_timeout`
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
  try {
    // To the end of the form, so that a second file or a cut is noticed.
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
  if (!found || found.length === 0) throw new AppError('file_required')
  return found
}

/**
 * Copies each chunk as it arrives. A kept chunk would keep the 64 KiB that the socket read, and V8 stops the
 * process for a whole garbage collection when a few megabytes of these are waiting.
 */
async function collect(part: MultipartFile, length: number): Promise<Buffer> {
  const { file } = part
  if (!(length <= maxLength)) return part.toBuffer() // a chunked body names no length
  const bytes = Buffer.allocUnsafeSlow(length)
  let end = 0
  for await (const chunk of file as AsyncIterable<Buffer>) end += chunk.copy(bytes, end)
  if (file.truncated) throw new AppError('body_too_large')
  return bytes.subarray(0, end)
}

/** Calls back when a body falls behind its pace; the function returned stops that. */
function onStall({ raw }: FastifyRequest, { bytes, within }: Pace, onStalled: () => void) {
  let before = raw.socket.bytesRead
  const timer = setInterval(() => {
    const now = raw.socket.bytesRead
    if (!raw.complete && now - before < bytes) onStalled()
    before = now
  }, within)
  return () => clearInterval(timer)
}
