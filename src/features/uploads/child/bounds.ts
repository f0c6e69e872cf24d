import { AppError } from '../../../errors.js'

export const maxPixels = 25_000_000
/** For a picture that is decoded in several passes: the decoder keeps all of it in memory. */
const maxHeldPixels = 8_000_000
const maxSide = 16_384

type Bounds = { width: number; height: number; isHeldWhole: boolean }

/** @throws AppError `invalid_picture` */
export function requireBounds({ width, height, isHeldWhole }: Bounds): void {
  if (width < 1 || height < 1) throw invalidPicture('a side is 0')
  if (width > maxSide || height > maxSide) throw invalidPicture('a side is too long')
  const max = isHeldWhole ? maxHeldPixels : maxPixels
  if (width * height > max) throw invalidPicture('there are too many pixels')
}

/** The reason is for the log. The reply says only that the picture cannot be read. */
export function invalidPicture(reason: string): AppError {
  return new AppError('invalid_picture', { cause: new Error(reason) })
}
