import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { varyByAccept } from '../../http/accept.js'
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
import { Markdown, OwnerParams, PictureQuery, ReadmeHtml, ReadmeReply } from './schemas.js'
import type { UploadService } from './service.js'

type Options = { uploads: UploadService; bodies: Bodies; limits: Limits }

const tags = ['uploads']
const mebibyte = 1_048_576
const multipart = { consumes: ['multipart/form-data'] }

/** The user's own picture and README, with authentication. Uploads are multipart forms with one file. */
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
            errors: ['file_required', 'invalid_picture', 'rate_limited', 'overloaded'],
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
          errors: ['file_required', 'invalid_readme', 'rate_limited', 'overloaded'],
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
    {
      schema: {
        summary: 'Delete the picture',
        tags,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await uploads.deletePicture(actorOf(request))
      return ok({ message: 'Picture deleted' })
    },
  )

  app.delete(
    '/api/user/readme',
    {
      schema: {
        summary: 'Delete the README',
        tags,
        errors: ['not_found'],
        response: replies({ 200: MessageReply }),
      },
    },
    async (request) => {
      await uploads.deleteReadme(actorOf(request))
      return ok({ message: 'README deleted' })
    },
  )
}

/** The picture and README of any user, without authentication, so that web pages can show them. */
export const profileRoutes: FastifyPluginAsyncTypebox<{ uploads: UploadService }> = async (
  app,
  { uploads },
) => {
  app.get(
    '/api/users/:id/picture',
    {
      schema: {
        summary: 'The picture of a user, as WebP; with the current `v`, cacheable for a year',
        tags,
        params: OwnerParams,
        querystring: PictureQuery,
        produces: ['image/webp'],
        errors: ['not_found'],
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
      const cacheControl = v === hash ? 'public, max-age=31536000, immutable' : 'public, no-cache'
      setUploadHeaders(reply, `"${hash}.${size}"`, cacheControl)
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
        errors: ['not_found'],
        response: replies({
          200: Type.Union([ReadmeReply, Markdown, ReadmeHtml]),
          304: Type.Null(),
        }),
      },
    },
    async (request, reply) => {
      const { hash, html, ...readme } = await uploads.getReadme(request.params.id)
      const [type = 'json'] = [
        accepts(request.raw).type(['json', 'text/markdown', 'html']) || 'json',
      ].flat()
      const etag = `"${hash}.${type.replace(/\W/g, '')}"`
      varyByAccept(setUploadHeaders(reply, etag, 'public, no-cache'))
      if (matchesEtag(request, etag)) return reply.code(304).send(null)
      if (type === 'json') return ok({ readme })
      const text = type === 'html' ? html : readme.markdown
      const contentType = type === 'html' ? 'text/html' : type
      return reply.type(`${contentType}; charset=utf-8`).serializer(String).send(text)
    },
  )
}

/** Any site may show a picture. No page may frame an upload, and no upload may run a script. */
function setUploadHeaders(reply: FastifyReply, etag: string, cacheControl: string): FastifyReply {
  return reply.headers({
    etag,
    'cache-control': cacheControl,
    'cross-origin-resource-policy': 'cross-origin',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    'content-disposition': 'inline',
  })
}
