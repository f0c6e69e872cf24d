import type { Db } from '../../db/pool.js'
import type { Readme } from './child/front-matter.js'
import type { Picture } from './child/picture.js'

export type StoredReadme = Readme & { hash: string; html: string }

/** All SQL that reads or writes pictures and READMEs. */
export function createUploadRepository(db: Db) {
  return {
    async putPicture(userId: string, hash: string, { large, small }: Picture): Promise<void> {
      await db.query(
        `insert into pictures (user_id, hash, large, small) values ($1, $2, $3, $4)
         on conflict (user_id) do update set
           hash = excluded.hash, large = excluded.large, small = excluded.small, updated_at = now()`,
        [userId, hash, large, small],
      )
    },

    /** Reads only the content hash, which is faster than to read the picture. */
    async findPictureHash(userId: string): Promise<string | undefined> {
      const { rows } = await db.query<{ hash: string }>(
        'select hash from pictures where user_id = $1',
        [userId],
      )
      return rows[0]?.hash
    },

    async findPicture(
      userId: string,
      size: 'large' | 'small',
    ): Promise<{ hash: string; bytes: Buffer } | undefined> {
      const { rows } = await db.query<{ hash: string; bytes: Buffer }>(
        `select hash, ${size} as bytes from pictures where user_id = $1`,
        [userId],
      )
      return rows[0]
    },

    async deletePicture(userId: string): Promise<boolean> {
      const { rowCount } = await db.query('delete from pictures where user_id = $1', [userId])
      return rowCount === 1
    },

    async putReadme(userId: string, readme: StoredReadme): Promise<void> {
      const { hash, markdown, html, front_matter } = readme
      await db.query(
        `insert into readmes (user_id, hash, markdown, html, front_matter)
         values ($1, $2, $3, $4, $5)
         on conflict (user_id) do update set hash = excluded.hash, markdown = excluded.markdown,
           html = excluded.html, front_matter = excluded.front_matter, updated_at = now()`,
        [userId, hash, markdown, html, JSON.stringify(front_matter)],
      )
    },

    async findReadme(userId: string): Promise<StoredReadme | undefined> {
      const { rows } = await db.query<StoredReadme>(
        'select hash, markdown, html, front_matter from readmes where user_id = $1',
        [userId],
      )
      return rows[0]
    },

    async deleteReadme(userId: string): Promise<boolean> {
      const { rowCount } = await db.query('delete from readmes where user_id = $1', [userId])
      return rowCount === 1
    },
  }
}

export type UploadRepository = ReturnType<typeof createUploadRepository>
