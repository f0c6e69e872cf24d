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
  /** The memory that the system grants to all processes together, in bytes. */
  granted?: number
}

const usualCosts: Costs = { cpu: 3_000, wall: 10_000, memory: 256 * 1_048_576 }
/** A picture takes about 40 MB in its child process. Below this, two at once would leave too little for the service. */
const enoughForTwo = 256 * 1_048_576
const codeOf = { [kinds.picture]: 'invalid_picture', [kinds.readme]: 'invalid_readme' } as const

/**
 * Decodes pictures and renders READMEs in at most two child processes, in one where memory is short, and in none while
 * idle. A file that exceeds its limits ends only its own child process.
 */
export function createConverter(options: Options) {
  const { log, costs = usualCosts, idle = 5_000, granted = process.constrainedMemory() } = options
  // 0 means that the limit is unknown.
  const most = granted > 0 && granted < enoughForTwo ? 1 : 2
  const lanes = createLanes({ lanes: most, queue: 8, maxWait: 3_000 })
  const children = new Set<Child>()
  const idleChildren: { child: Child; timer: NodeJS.Timeout }[] = []
  let isClosed = false

  function take(): Child {
    for (let entry = idleChildren.pop(); entry; entry = idleChildren.pop()) {
      clearTimeout(entry.timer)
      if (!entry.child.isWorn()) return entry.child
      drop(entry.child)
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
      idleChildren.splice(
        idleChildren.findIndex((entry) => entry.child === child),
        1,
      )
      drop(child)
    }, idle)
    idleChildren.push({ child, timer })
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
        throw error instanceof ChildEnded ? toAppError(error, kind) : error
      } finally {
        if (child) putBack(child)
      }
    })
    if (frame.kind === kinds.refused) throw readRefusal(frame, kind)
    if (frame.kind !== kind) throw new AppError(codeOf[kind])
    return frame.payload
  }

  /** The file is invalid if it crashed the child or exceeded CPU or memory. Otherwise the client may retry. */
  function toAppError(cause: ChildEnded, kind: keyof typeof codeOf): AppError {
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
     * Decodes a picture and encodes it again: upright, with bounded size, without metadata.
     * @throws AppError `invalid_picture`, `overloaded`, `unavailable`
     */
    async readPicture(bytes: Buffer): Promise<Picture> {
      if (!formatOf(bytes)) throw new AppError('invalid_picture')
      const [large, small] = splitTwo(await convert(kinds.picture, bytes))
      return { large, small }
    },

    /**
     * Splits a README into front matter and markdown, and renders the markdown.
     * @throws AppError `invalid_readme` with the field and the fault, `overloaded`, `unavailable`
     */
    async readReadme(bytes: Buffer): Promise<Omit<StoredReadme, 'hash'>> {
      const text = (await convert(kinds.readme, bytes)).toString()
      return JSON.parse(text) as Omit<StoredReadme, 'hash'>
    },

    /** The ids of the running child processes. */
    pids: () => [...children].map(({ pid }) => pid),

    /** Ends all child processes. Unfinished conversions fail. */
    close: () => {
      isClosed = true
      for (const { timer } of idleChildren.splice(0)) clearTimeout(timer)
      for (const child of children) drop(child)
      return Promise.resolve()
    },
  }
}

export type Converter = ReturnType<typeof createConverter>

/** Recreates the error of the child from its frame. */
function readRefusal({ payload }: Frame, kind: keyof typeof codeOf): AppError {
  const { code, fields, cause } = JSON.parse(payload.toString()) as {
    code: ErrorCode
    fields?: FieldError[]
    cause?: string
  }
  if (code !== codeOf[kind]) return new AppError(codeOf[kind])
  const reason = cause === undefined ? undefined : new Error(cause)
  return new AppError(code, { ...(fields && { fields }), cause: reason })
}
