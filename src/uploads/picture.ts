import sharp from 'sharp'
import { AppError } from '../errors.js'
import { createLanes } from '../passwords/lanes.js'

/** WebP, in two sizes. */
export type Picture = { large: Buffer; small: Buffer }

// Only the loaders of what we take; an SVG labelled as a PNG would be drawn otherwise.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['VipsForeignLoadPngBuffer', 'VipsForeignLoadJpegBuffer', 'VipsForeignLoadWebpBuffer'],
})
sharp.concurrency(1)
sharp.cache(false)

const options = { limitInputPixels: 25_000_000, failOn: 'error', pages: 1 } as const
const largest = 1_024
const smallest = 128

/** PNG, JPEG and WebP, told by their first bytes; what a client says of a file counts for nothing. */
function isPicture(bytes: Buffer): boolean {
  const starts = (hex: string, at = 0) =>
    bytes.subarray(at, at + hex.length / 2).toString('hex') === hex
  return (
    starts('89504e470d0a1a0a') || starts('ffd8ff') || (starts('52494646') && starts('57454250', 8))
  )
}

/** Decodes pictures one by one or two by two: they use the threads that hash passwords. */
export function createPictureReader() {
  const lanes = createLanes({ lanes: 2, queue: 20, patience: 5_000 })

  return {
    /**
     * Decodes a picture and encodes it anew: upright, bounded, without metadata or anything behind it.
     * @throws AppError `invalid_picture`, `overloaded`
     */
    async read(bytes: Buffer): Promise<Picture> {
      if (!isPicture(bytes)) throw new AppError('invalid_picture')
      return lanes.run(async () => {
        try {
          const upright = sharp(bytes, options).timeout({ seconds: 3 }).autoOrient()
          const large = await upright
            .resize(largest, largest, { fit: 'inside', withoutEnlargement: true })
            .webp({ quality: 82 })
            .toBuffer()
          const small = await sharp(large, options)
            .timeout({ seconds: 3 })
            .resize(smallest, smallest, { fit: 'cover' })
            .webp({ quality: 80 })
            .toBuffer()
          return { large, small }
        } catch (cause) {
          throw new AppError('invalid_picture', { cause })
        }
      })
    },
  }
}

export type PictureReader = ReturnType<typeof createPictureReader>
