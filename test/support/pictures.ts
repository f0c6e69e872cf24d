import sharp, { type Sharp } from 'sharp'
import type { Test } from 'tap'
import { crc32, deflateSync } from 'node:zlib'
import { bearer, listeningApp, signUp } from './app.js'

export type Format = 'png' | 'jpeg' | 'webp'
type Size = { width?: number; height?: number }

/** A gradient from red to blue, so that it is not all the same, nor noise. */
export async function picture(format: Format, { width = 64, height = 48 }: Size = {}) {
  return gradient(width, height).toFormat(format).toBuffer()
}

export function gradient(width: number, height: number): Sharp {
  const row = Buffer.alloc(width * 3)
  for (let x = 0; x < width; x += 1) {
    const blue = Math.floor((x / width) * 256)
    row.set([255 - blue, 0, blue], x * 3)
  }
  const pixels = Buffer.alloc(row.length * height, row)
  return sharp(pixels, { raw: { width, height, channels: 3 } })
}

/** One frame red, the other blue. */
export async function animated(format: 'webp' | 'gif'): Promise<Buffer> {
  const frames = await Promise.all(
    ['#f00', '#00f'].map((background) =>
      sharp({ create: { width: 40, height: 30, channels: 3, background } })
        .png()
        .toBuffer(),
    ),
  )
  return sharp(frames, { join: { animated: true } })
    .toFormat(format)
    .toBuffer()
}

export function pngChunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}

export const pngSignature = Buffer.from('89504e470d0a1a0a', 'hex')

/** A PNG that says more than it holds: black, one bit a pixel. */
export function blackPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 1
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * height)
  return Buffer.concat([
    pngSignature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows, { level: 9 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

/** The same PNG with one more chunk, right behind its header. */
export function withChunk(png: Buffer, chunk: Buffer): Buffer {
  const header = pngSignature.length + 25
  return Buffer.concat([png.subarray(0, header), chunk, png.subarray(header)])
}

type Sending = { path?: string; field?: string; name?: string; type?: string; token?: string }

export type Uploaded = {
  status: number
  headers: Headers
  body: {
    code?: string
    user: { picture_url: string | null; readme_url: string | null }
    readme: { markdown: string; front_matter: Record<string, unknown> }
  }
}

/** The service, listening, and somebody who sends it files. */
export async function uploader(t: Test, env: Record<string, string> = {}) {
  const service = await listeningApp(t, { env })
  const { access_token: token, user } = await signUp(service.app)
  const { origin } = service

  /** One file in a form. */
  async function send(bytes: Buffer | string, sending: Sending = {}): Promise<Uploaded> {
    const { path = '/api/upload-picture', field = 'file', name = 'file', type = '' } = sending
    const form = new FormData()
    form.append(field, new Blob([new Uint8Array(Buffer.from(bytes))], { type }), name)
    const headers = bearer(sending.token ?? token)
    const answer = await fetch(origin + path, { method: 'POST', headers, body: form })
    const body = (await answer.json()) as Uploaded['body']
    return { status: answer.status, headers: answer.headers, body }
  }

  /** Without a token, unless the headers hold one. */
  async function get(path: string, headers: Record<string, string> = {}) {
    const answer = await fetch(origin + path, { headers })
    const bytes = Buffer.from(await answer.arrayBuffer())
    return { status: answer.status, headers: answer.headers, bytes }
  }

  /** Whether a token is good and the database answers. */
  const serves = async () => (await get('/api/user', bearer(token))).status === 200

  const remove = (path: string) =>
    fetch(origin + path, { method: 'DELETE', headers: bearer(token) })

  return { ...service, id: user.id, token, send, get, serves, remove }
}

/** Where a picture is, on this service. */
export function pathOf({ body }: Uploaded): string {
  const { pathname, search } = new URL(body.user.picture_url ?? '')
  return pathname + search
}

export const median = (times: number[]) => times.toSorted((a, b) => a - b)[times.length >> 1]!
