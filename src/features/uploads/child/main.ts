// The child process that decodes pictures and renders READMEs: frames in by stdin, out by stdout.
import { writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { AppError } from '../../../errors.js'
import { joinTwo, kinds, readFrames, writeFrame } from '../frames.js'
import { readPicture } from './picture.js'
import { readReadme } from './readme.js'

const maxLength = 6 * 1_048_576

yieldToService()
readFrames(process.stdin, {
  maxLength,
  onFrame: (kind, payload) => void answer(kind, payload),
  onTooLong: () => process.exit(1),
})
// The service has ended, in whatever way.
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
    // Anything else ends this process, which the service takes as a refusal.
    if (!(error instanceof AppError)) throw error
    const { code, fields } = error
    const cause = error.cause instanceof Error ? error.cause.message.slice(0, 500) : undefined
    writeFrame(process.stdout, kinds.refused, toJson({ code, fields, cause }))
  }
}

/** The service has the CPU first, and the kernel that lacks memory kills this process first. */
function yieldToService(): void {
  try {
    setPriority(5)
    writeFileSync('/proc/self/oom_score_adj', '1000')
  } catch {
    // Not on every system.
  }
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
