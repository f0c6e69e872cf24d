import type { Platform } from './platform.js'
import type { Fetch } from './send.js'

export type Progress = (sent: number, total: number) => void

/** A fetch that tells how much of the body is sent: only XMLHttpRequest knows it. */
export function uploadingFetch(
  Xhr: NonNullable<Platform['XMLHttpRequest']>,
  onProgress: Progress,
): Fetch {
  return (url, { method = 'GET', headers, body, credentials, signal }) =>
    new Promise((resolve, reject) => {
      const xhr = new Xhr()
      const fail = () => {
        reject(new TypeError('upload failed'))
      }
      const abort = () => {
        xhr.abort()
      }
      xhr.open(method, url)
      xhr.withCredentials = credentials === 'include'
      for (const [name, value] of new Headers(headers)) xhr.setRequestHeader(name, value)
      xhr.upload.onprogress = ({ loaded, total }) => onProgress(loaded, total)
      xhr.onerror = xhr.ontimeout = xhr.onabort = fail
      xhr.onload = () => {
        const { status, responseText } = xhr
        resolve(new Response(responseText, { status, headers: headersOf(xhr) }))
      }
      signal?.addEventListener('abort', abort, { once: true })
      xhr.send(body)
    })
}

const headersOf = (xhr: { getAllResponseHeaders: () => string }) =>
  new Headers(
    xhr
      .getAllResponseHeaders()
      .trim()
      .split(/[\r\n]+/)
      .filter((line) => line.includes(':'))
      .map((line): [string, string] => {
        const [name = ''] = line.split(':', 1)
        return [name, line.slice(name.length + 1).trim()]
      }),
  )
