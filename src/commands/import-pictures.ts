import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, OperatorError } from '../errors.js'
import type { ReadPicture } from '../features/imports/pictures.js'
import type { UploadService } from '../features/uploads/service.js'

/** As for an upload. */
const maxBytes = 5 * 1_048_576

/**
 * Reads the pictures of users from the folder of the old app. Of a path such as `/static/uploads/ada.png` the last part
 * counts, so that a row cannot name a file elsewhere.
 * @throws OperatorError if it is not a folder
 */
export async function openPictures(
  folder: string,
  uploads: Pick<UploadService, 'convertPicture'>,
): Promise<ReadPicture> {
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory()) throw new OperatorError(`--pictures ${folder} is not a folder`)

  return async (name) => {
    const file = name.split(/[\\/]/).pop() ?? ''
    const bytes = await readSmall(join(folder, file)).catch(() => undefined)
    if (!bytes) return undefined
    try {
      return await uploads.convertPicture(bytes)
    } catch (error) {
      if (error instanceof AppError && error.code === 'invalid_picture') return undefined
      throw error
    }
  }
}

/** A file, and not what a link or a device leads to. */
async function readSmall(path: string): Promise<Buffer | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags)
  try {
    const { size } = await file.stat().then((found) => (found.isFile() ? found : { size: 0 }))
    return size > 0 && size <= maxBytes ? await file.readFile() : undefined
  } finally {
    await file.close()
  }
}
