import { resolve, sep } from 'node:path'
import type { Config } from '../config/load.js'
import { chainOf, describeDatabaseFault } from '../db/faults.js'
import { OperatorError } from '../errors.js'

const codeOf = (error: Error) => (error as NodeJS.ErrnoException).code ?? ''

/** Turns an error of the start into a sentence, if the operator can fix it. Returns any other error as it is. */
export function toOperatorError(error: unknown, config: Config): unknown {
  const text =
    describeFolderFault(error, config.DATA_DIR) ??
    (error instanceof OperatorError ? undefined : describe(error, config.DATABASE_URL))
  return text === undefined ? error : new OperatorError(text, { cause: error })
}

const describe = (error: unknown, url: string | undefined) =>
  url === undefined ? undefined : describeDatabaseFault(error, url)

const folderFaults: Record<string, string> = {
  EACCES: 'this user may not read and write it',
  EPERM: 'this user may not read and write it',
  EROFS: 'it is on a read-only file system',
  ENOTDIR: 'it is a file, or below one',
  EEXIST: 'it is a file',
  ENOSPC: 'its disk is full',
}

function describeFolderFault(error: unknown, folder: string): string | undefined {
  const path = resolve(folder)
  for (const each of chainOf(error)) {
    const reason = folderFaults[codeOf(each)]
    const { path: at = '' } = each as NodeJS.ErrnoException
    const isInside = at === path || at.startsWith(path + sep) || path.startsWith(at + sep)
    if (reason && at !== '' && isInside) {
      return `DATA_DIR=${path} cannot be used: ${reason} (${codeOf(each)}). Change its owner, or set DATA_DIR to another folder`
    }
  }
  return undefined
}

/** The same for an error of listen(). */
export function toListenError(error: unknown, { HOST, PORT }: Config): unknown {
  const text = describeListenFault(error, HOST, PORT)
  return text === undefined ? error : new OperatorError(text, { cause: error })
}

function describeListenFault(error: unknown, host: string, port: number): string | undefined {
  if (!(error instanceof Error)) return undefined
  const where = `PORT=${String(port)}`
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `${where} is taken on HOST=${host}: stop the program that listens there, or set another PORT, such as PORT=${String(port === 65_535 ? 3_000 : port + 1)}`
    case 'EACCES':
      return `${where} is forbidden to this user: set PORT to 1024 or more, or allow it (CAP_NET_BIND_SERVICE)`
    case 'EADDRNOTAVAIL':
      return `HOST=${host} is not an address of this machine: set HOST to 127.0.0.1 for this machine alone, or to 0.0.0.0 for all its addresses`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `HOST=${host} cannot be resolved: set HOST to an address such as 127.0.0.1 or 0.0.0.0`
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return `HOST=${host} cannot be used here (${codeOf(error)}): set HOST to an IPv4 address such as 127.0.0.1 or 0.0.0.0`
  }
  return undefined
}
