import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Writes `cert`, `key` and both as `pem`, for these hosts. No browser trusts it. */
export async function writeCertificate(folder: string, hosts: string[]): Promise<void> {
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const subject = `subjectAltName=${hosts.map((name) => `DNS:${name}`).join()}`
  const to = ['-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=test', '-addext', subject]
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...to])
  const both = [await readFile(cert, 'utf8'), await readFile(key, 'utf8')].join('')
  await writeFile(join(folder, 'pem'), both)
}
