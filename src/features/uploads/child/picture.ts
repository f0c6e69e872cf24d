import sharp from 'sharp'
import { AppError } from '../../../errors.js'
import { formatOf } from '../format.js'
import { invalidPicture, maxPixels } from './bounds.js'
import { prepareJpeg } from './jpeg.js'
import { preparePng } from './png.js'
import { prepareWebp } from './webp.js'

/** The same picture in two sizes, as WebP. */
export type Picture = { large: Buffer; small: Buffer }

// Only the loaders for the accepted formats. libvips has others, such as SVG, and selects one by the content.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: ['VipsForeignLoadPngBuffer', 'VipsForeignLoadJpegBuffer', 'VipsForeignLoadWebpBuffer'],
})
sharp.concurrency(1)
sharp.cache(false)

const prepare = { png: preparePng, jpeg: prepareJpeg, webp: prepareWebp }
const options = { limitInputPixels: maxPixels, failOn: 'error', pages: 1 } as const
const largest = 1_024
const smallest = 128

/**
 * Decodes a picture and encodes it again. The result is upright, at most 1,024 pixels a side, and has no
 * metadata or trailing bytes.
 * @throws AppError `invalid_picture`
 */
export async function readPicture(bytes: Buffer): Promise<Picture> {
  const format = formatOf(bytes)
  if (!format) throw invalidPicture('the first bytes match no accepted format')
  try {
    const large = await sharp(prepare[format](bytes), options)
      .autoOrient()
      .resize(largest, largest, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 82 })
      .toBuffer()
    const small = await sharp(large, options)
      .resize(smallest, smallest, { fit: 'cover' })
      .webp({ quality: 80 })
      .toBuffer()
    return { large, small }
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError('invalid_picture', { cause })
  }
}
