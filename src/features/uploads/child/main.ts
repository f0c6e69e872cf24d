// The child process that decodes pictures and renders READMEs. It reads frames from stdin and writes them to stdout.
import { yieldToService } from '../../../concurrency/priority.js'
import { AppError } from '../../../errors.js'
import { joinTwo, kinds, readFrames, writeFrame } from '../frames.js'
import { readPicture } from './picture.js'
import { readReadme } from './readme.js'

const maxLength = 6 * 1_048_576

yieldToService(5)
readFrames(process.stdin, {
  maxLength,
  onFrame: (kind, payload) => void answer(kind, payload),
  onTooLong: () => process.exit(1),
})
// The service has ended, perhaps by a crash.
process.stdin.on('end', () => process.exit())
process.stdout.on('error', () => process.exit())
writeFrame(process.stdout, kinds.ready)

async function answer(kind: number, payload: Buffer): Promise<void> {
  try {
    if (kind === kinds.picture) {
      const { large, small } = await readPicture(payload)
      writeFrame(process.stdout, kinds.picture, ...joinTwo(large, small))
    } else {
      writeFrame(process.stdout, kinds.readme, toJson(readReadme(payload)))
    }
  } catch (error) {
    // Any other error ends this process, and the service then rejects the file.
    if (!(error instanceof AppError)) throw error
    const { code, fields } = error
    const cause = error.cause instanceof Error ? error.cause.message.slice(0, 500) : undefined
    writeFrame(process.stdout, kinds.refused, toJson({ code, fields, cause }))
  }
  // V8 counts little for a buffer, so it would keep those of many files.
  setImmediate(() => globalThis.gc?.())
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
