/** What the client uses of a browser. Typed here, so that a user of the types needs no `dom` library. */
export type Platform = {
  document?: object
  navigator?: { locks?: Locks }
  BroadcastChannel?: new (name: string) => Channel
  XMLHttpRequest?: new () => Xhr
  location: Location
  history: { replaceState: (state: null, unused: string, url: string) => void }
  sessionStorage: Storage
}

type Location = {
  readonly href: string
  readonly pathname: string
  readonly search: string
  assign: (url: string) => void
  replace: (url: string) => void
}

type Storage = {
  getItem: (key: string) => string | null
  setItem: (key: string, value: string) => void
  removeItem: (key: string) => void
}

type Locks = { request: <Result>(name: string, work: () => Promise<Result>) => Promise<Result> }

export type Channel = {
  onmessage: ((event: { data: unknown }) => void) | null
  postMessage: (message: unknown) => void
  close: () => void
}

export type Xhr = {
  upload: { onprogress: ((event: { loaded: number; total: number }) => void) | null }
  onload: (() => void) | null
  onerror: (() => void) | null
  ontimeout: (() => void) | null
  onabort: (() => void) | null
  readonly status: number
  readonly responseText: string
  withCredentials: boolean
  timeout: number
  open: (method: string, url: string) => void
  setRequestHeader: (name: string, value: string) => void
  getAllResponseHeaders: () => string
  send: (body: unknown) => void
  abort: () => void
}

export const platform = globalThis as unknown as Platform
