import { createHash } from 'node:crypto'
import type { Actor } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { UploadRepository } from './repository.js'
import type { UserRepository } from '../users/repository.js'
import type { User } from '../users/schemas.js'
import type { Readme } from './child/front-matter.js'
import type { Picture } from './child/picture.js'
import type { Converter } from './converter.js'

type Repositories = {
  uploads: UploadRepository
  users: Pick<UserRepository, 'get'>
}

type Dependencies = { store: Repositories; converter: Converter }

export type Version = { hash: string }
export type ConvertedPicture = Version & { picture: Picture }

/** The public profile of a user: at most one picture and one README. */
export function createUploadService({ store, converter }: Dependencies) {
  /** What is stored of a picture. @throws AppError `invalid_picture`, `overloaded`, `unavailable` */
  async function convertPicture(bytes: Buffer): Promise<ConvertedPicture> {
    const picture = await converter.readPicture(bytes)
    return { hash: contentHash(picture.large), picture }
  }

  return {
    convertPicture,

    /** Replaces the picture. @throws AppError `invalid_picture`, `overloaded`, `unavailable` */
    async putPicture({ user_id }: Actor, bytes: Buffer): Promise<User> {
      const { hash, picture } = await convertPicture(bytes)
      await store.uploads.putPicture(user_id, hash, picture)
      return store.users.get(user_id)
    },

    /** @throws AppError `not_found` */
    async deletePicture({ user_id }: Actor): Promise<void> {
      if (!(await store.uploads.deletePicture(user_id))) throw new AppError('not_found')
    },

    /** @throws AppError `not_found` */
    async getPictureHash(userId: string): Promise<string> {
      return requireFound(await store.uploads.findPictureHash(userId))
    },

    /** @throws AppError `not_found` */
    async getPicture(userId: string, size: 'large' | 'small') {
      return requireFound(await store.uploads.findPicture(userId, size))
    },

    /** Replaces the README. @throws AppError `invalid_readme`, `overloaded`, `unavailable` */
    async putReadme({ user_id }: Actor, bytes: Buffer): Promise<Readme> {
      const { html, ...readme } = await converter.readReadme(bytes)
      await store.uploads.putReadme(user_id, { ...readme, html, hash: contentHash(bytes) })
      return readme
    },

    /** @throws AppError `not_found` */
    async deleteReadme({ user_id }: Actor): Promise<void> {
      if (!(await store.uploads.deleteReadme(user_id))) throw new AppError('not_found')
    },

    /** @throws AppError `not_found` */
    async getReadme(userId: string) {
      return requireFound(await store.uploads.findReadme(userId))
    },
  }
}

export type UploadService = ReturnType<typeof createUploadService>

const contentHash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64url')

/** @throws AppError `not_found` */
function requireFound<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new AppError('not_found')
  return value
}
