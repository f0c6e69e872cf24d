import type { FastifyBaseLogger } from 'fastify'
import { AppError, type ErrorCode, type FieldError } from '../../errors.js'
import { createLanes } from '../../concurrency/lanes.js'
import { ChildEnded, startChild, type Child, type Costs, type Frame } from './child-process.js'
import type { Picture } from './child/picture.js'
import { formatOf } from './format.js'
import { kinds, splitTwo } from './frames.js'
import type { StoredReadme } from './repository.js'

type Options = {
  log: FastifyBaseLogger
  costs?: Costs
  /** How long a child process may wait for the next file, in milliseconds. */
  idle?: number
}

const usualCosts: Costs = { cpu: 3_000, wall: 10_000, memory: 256 * 1_048_576 }
const codeOf = { [kinds.picture]: 'invalid_picture', [kinds.readme]: 'invalid_readme' } as const

/**
 * Decodes pictures and renders READMEs in child processes, of which there are two at most, and none
 * when there is nothing to do. A file that costs too much ends its process, and no more than that.
 */
export function createConverter({ log, costs = usualCosts, idle = 5_000 }: Options) {
  const lanes = createLanes({ lanes: 2, queue: 8, patience: 3_000 })
  const children = new Set<Child>()
  const resting: { child: Child; timer: NodeJS.Timeout }[] = []
  let isClosed = false

  function take(): Child {
    for (let rest = resting.pop(); rest; rest = resting.pop()) {
      clearTimeout(rest.timer)
      if (!rest.child.isWorn()) return rest.child
      drop(rest.child)
    }
    const child = startChild(costs)
    children.add(child)
    return child
  }

  function putBack(child: Child): void {
    if (isClosed || child.isWorn()) {
      drop(child)
      return
    }
    const timer = setTimeout(() => {
      resting.splice(
        resting.findIndex((rest) => rest.child === child),
        1,
      )
      drop(child)
    }, idle)
    resting.push({ child, timer })
  }

  function drop(child: Child): void {
    children.delete(child)
    child.stop()
  }

  /** @throws AppError of `kind`, `overloaded`, `unavailable` */
  async function convert(kind: keyof typeof codeOf, bytes: Buffer): Promise<Buffer> {
    const frame = await lanes.run(async () => {
      if (isClosed) throw new AppError('unavailable')
      let child: Child | undefined
      try {
        child = take()
        return await child.run(kind, bytes)
      } catch (error) {
        throw error instanceof ChildEnded ? judge(error, kind) : error
      } finally {
        if (child) putBack(child)
      }
    })
    if (frame.kind === kinds.refused) throw refusalOf(frame, kind)
    if (frame.kind !== kind) throw new AppError(codeOf[kind])
    return frame.payload
  }

  /** What the file did is its fault; what was not judged may be sent again. */
  function judge(cause: ChildEnded, kind: keyof typeof codeOf): AppError {
    const { ending } = cause
    log.info({ ending, kind: codeOf[kind], err: cause }, 'child process of an upload ended')
    if (ending === 'wall') return new AppError('overloaded', { cause })
    if (ending === 'killed' || ending === 'not started') {
      return new AppError('unavailable', { cause })
    }
    return new AppError(codeOf[kind], { cause })
  }

  return {
    /**
     * A picture, encoded again: upright, bounded, without metadata.
     * @throws AppError `invalid_picture`, `overloaded`, `unavailable`
     */
    async readPicture(bytes: Buffer): Promise<Picture> {
      if (!formatOf(bytes)) throw new AppError('invalid_picture')
      const [large, small] = splitTwo(await convert(kinds.picture, bytes))
      return { large, small }
    },

    /**
     * A README taken apart, and rendered.
     * @throws AppError `invalid_readme` with what is wrong, `overloaded`, `unavailable`
     */
    async readReadme(bytes: Buffer): Promise<Omit<StoredReadme, 'hash'>> {
      const text = (await convert(kinds.readme, bytes)).toString()
      return JSON.parse(text) as Omit<StoredReadme, 'hash'>
    },

    /** The processes that there are now. */
    pids: () => [...children].map(({ pid }) => pid),

    /** Ends all processes: what they were doing is not done. */
    close: () => {
      isClosed = true
      for (const { timer } of resting.splice(0)) clearTimeout(timer)
      for (const child of children) drop(child)
      return Promise.resolve()
    },
  }
}

export type Converter = ReturnType<typeof createConverter>

/** A child's refusal as the error it was there. */
function refusalOf({ payload }: Frame, kind: keyof typeof codeOf): AppError {
  const { code, fields, cause } = JSON.parse(payload.toString()) as {
    code: ErrorCode
    fields?: FieldError[]
    cause?: string
  }
  if (code !== codeOf[kind]) return new AppError(codeOf[kind])
  const reason = cause === undefined ? undefined : new Error(cause)
  return new AppError(code, { ...(fields && { fields }), cause: reason })
}
