import { createHash } from 'node:crypto'
import { Transform, pipeline, type Readable } from 'node:stream'
import type { FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { invalid, visitorHeader, type VerifyAttestation } from './attestations.js'

type Options = { verify: VerifyAttestation }

const emptyDigest = createHash('sha256').digest('base64')

/**
 * Makes `request.ip` the address of the visitor, if a site attests it. A wrong attestation is refused. Other requests
 * cost the look at one header.
 */
export const attested = fp<Options>(
  async (app, { verify }) => {
    app.decorateRequest('site', undefined)
    app.decorateRequest('signedDigest', undefined)
    app.addHook('preParsing', (request, _reply, payload, done) => {
      if (request.headers[visitorHeader] === undefined) {
        done()
        return
      }
      accept(request, payload).then(
        (body) => done(null, body),
        (error: unknown) => done(error as Error),
      )
    })

    async function accept(request: FastifyRequest, payload: RequestPayload) {
      const { method, headers, raw } = request
      const { site, address, digest } = await verify({ method, target: raw.url ?? '', headers })
      const isRead = hasBody(request) && method !== 'GET' && method !== 'HEAD'
      if (!isRead && digest !== emptyDigest) throw invalid()
      request.site = site
      request.signedDigest = digest
      Object.defineProperty(request, 'ip', { value: address })
      // A form with files is read past this hook: readFile() checks its digest.
      const isForm = headers['content-type']?.toLowerCase().startsWith('multipart/') ?? false
      return isRead && !isForm ? checked(payload, digest) : payload
    }
  },
  { name: 'attested' },
)

const hasBody = ({ headers }: FastifyRequest) =>
  (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined

/** Fails at its end if the body is not the one that was signed. */
function checked(payload: Readable, digest: string): RequestPayload {
  const hash = createHash('sha256')
  const body: Transform & { receivedEncodedLength: number } = Object.assign(
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        body.receivedEncodedLength += chunk.length
        done(null, chunk)
      },
      flush: (done) => done(hash.digest('base64') === digest ? null : invalid()),
    }),
    { receivedEncodedLength: 0 },
  )
  return pipeline(payload, body, () => undefined)
}
