import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import accepts from 'accepts'
import type { FastifyReply } from 'fastify'
import { actorOf } from '../../http/caller.js'
import { matchesEtag } from '../../http/documents.js'
import type { Limits } from '../limits/limits.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import { UserReply } from '../users/schemas.js'
import type { Bodies } from './bodies.js'
import { acceptFiles, readFile, uploadDeadline } from './file.js'
import { OwnerParams, PictureQuery, ReadmeReply } from './schemas.js'
import type { UploadService } from './service.js'

type Options = { uploads: UploadService; bodies: Bodies; limits: Limits }

const tags = ['uploads']
const mebibyte = 1_048_576
const multipart = { consumes: ['multipart/form-data'] }

/** With a token: one's own picture and README, as a multipart form with one file. */
export const uploadRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { uploads, bodies, limits },
) => {
  await app.register(async (pictures) => {
    await acceptFiles(pictures, 5 * mebibyte)
    for (const url of ['/api/upload-picture', '/api/upload_profile_pic']) {
      pictures.post(
        url,
        {
          bodyLimit: 6 * mebibyte,
          config: uploadDeadline,
          preHandler: [bodies.admit, limits.perUser('uploads')],
          schema: {
            summary: 'Set the picture: PNG, JPEG or WebP up to 5 MB',
            tags,
            ...multipart,
            response: replies({ 200: UserReply }),
          },
        },
        async (request) => {
          const user = await bodies.during(request, async () =>
            uploads.putPicture(actorOf(request), await readFile(request)),
          )
          return ok({ message: 'Picture set', user })
        },
      )
    }
  })

  await app.register(async (readmes) => {
    await acceptFiles(readmes, mebibyte / 16)
    readmes.post(
      '/api/upload_readme',
      {
        bodyLimit: mebibyte,
        config: uploadDeadline,
        preHandler: [bodies.admit, limits.perUser('uploads')],
        schema: {
          summary: 'Set the README: markdown up to 64 KB, with YAML front matter',
          tags,
          ...multipart,
          response: replies({ 200: ReadmeReply }),
        },
      },
      async (request) => {
        const readme = await bodies.during(request, async () =>
          uploads.putReadme(actorOf(request), await readFile(request)),
        )
        return ok({ message: 'README set', readme })
      },
    )
  })

  app.delete(
    '/api/user/picture',
    { schema: { summary: 'Delete the picture', tags, response: replies({ 200: MessageReply }) } },
    async (request) => {
      await uploads.deletePicture(actorOf(request))
      return ok({ message: 'Picture deleted' })
    },
  )

  app.delete(
    '/api/user/readme',
    { schema: { summary: 'Delete the README', tags, response: replies({ 200: MessageReply }) } },
    async (request) => {
      await uploads.deleteReadme(actorOf(request))
      return ok({ message: 'README deleted' })
    },
  )
}

/** Without a token, since a page shows them: anybody's picture and README. */
export const profileRoutes: FastifyPluginAsyncTypebox<{ uploads: UploadService }> = async (
  app,
  { uploads },
) => {
  app.get(
    '/api/users/:id/picture',
    {
      schema: {
        summary: 'The picture of a user, as WebP; `picture_url` names its version, which stays',
        tags,
        params: OwnerParams,
        querystring: PictureQuery,
        produces: ['image/webp'],
        response: replies({
          200: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }),
          304: Type.Null(),
        }),
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { size = 'large', v } = request.query
      const hash = await uploads.getPictureHash(id)
      const lives = v === hash ? 'public, max-age=31536000, immutable' : 'public, no-cache'
      asUpload(reply, `"${hash}.${size}"`, lives)
      if (matchesEtag(request, `"${hash}.${size}"`)) return reply.code(304).send(null)
      const { bytes } = await uploads.getPicture(id, size)
      return reply.type('image/webp').send(bytes)
    },
  )

  app.get(
    '/api/users/:id/readme',
    {
      schema: {
        summary: 'The README of a user: JSON, markdown or HTML, by `Accept`',
        tags,
        params: OwnerParams,
        response: replies({ 200: Type.Union([ReadmeReply, Type.String()]), 304: Type.Null() }),
      },
    },
    async (request, reply) => {
      const { hash, html, ...readme } = await uploads.getReadme(request.params.id)
      const [type = 'json'] = [
        accepts(request.raw).type(['json', 'text/markdown', 'html']) || 'json',
      ].flat()
      const etag = `"${hash}.${type.replace(/\W/g, '')}"`
      asUpload(reply, etag, 'public, no-cache').header('vary', 'Accept')
      if (matchesEtag(request, etag)) return reply.code(304).send(null)
      if (type === 'json') return ok({ readme })
      const text = type === 'html' ? html : readme.markdown
      const contentType = type === 'html' ? 'text/html' : type
      return reply.type(`${contentType}; charset=utf-8`).serializer(String).send(text)
    },
  )
}

/** A picture may be shown on any page; nothing is framed, or run. */
function asUpload(reply: FastifyReply, etag: string, cacheControl: string): FastifyReply {
  return reply.headers({
    etag,
    'cache-control': cacheControl,
    'cross-origin-resource-policy': 'cross-origin',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    'content-disposition': 'inline',
  })
}
