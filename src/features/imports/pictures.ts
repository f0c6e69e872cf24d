import type { UploadRepository } from '../uploads/repository.js'
import type { ConvertedPicture } from '../uploads/service.js'
import type { ImportedUser } from './row.js'

/** Reads a picture by the name in the row. Returns undefined if there is none that can be read. */
export type ReadPicture = (name: string) => Promise<ConvertedPicture | undefined>

export type PictureStore = { uploads: Pick<UploadRepository, 'putPicture'> }

/** The pictures of a batch, one after the other: each is decoded in a child process. */
export async function readPictures(
  users: ImportedUser[],
  read: ReadPicture | undefined,
  onMissing: (user: ImportedUser) => void,
): Promise<Map<string, ConvertedPicture>> {
  const pictures = new Map<string, ConvertedPicture>()
  if (!read) return pictures
  for (const user of users) {
    if (user.picture === undefined) continue
    const picture = await read(user.picture)
    if (picture) pictures.set(user.id, picture)
    else onMissing(user)
  }
  return pictures
}

/** Stores them in the transaction that created the users. */
export async function storePictures(
  { uploads }: PictureStore,
  created: string[],
  pictures: Map<string, ConvertedPicture>,
): Promise<void> {
  for (const id of created) {
    const found = pictures.get(id)
    if (found) await uploads.putPicture(id, found.hash, found.picture)
  }
}
