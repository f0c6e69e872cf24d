import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { Command } from 'commander'
import { OperatorError } from '../errors.js'
import type { ExportService } from '../features/exports/service.js'
import type { Services } from '../services/services.js'
import { addExamples } from './examples.js'
import { readPassphrase } from './import-export-file.js'
import type { Print } from './output.js'

type Tools = {
  withServices: (work: (services: Services) => Promise<void>) => Promise<void>
  print: Print
}

/** `gatehouse export FILE`. */
export function exportCommand({ withServices, print }: Tools): Command {
  const command = new Command('export')
    .description(
      'write every user with password hash, roles and connected identities to a new file that only ' +
        'you can read, one JSON object per line; gatehouse import reads it',
    )
    .argument('<file>')
    .option(
      '--passphrase-file <file>',
      'also export the hashes that need the key of an old app, and seal these keys',
    )
    .action((file: string, { passphraseFile }: { passphraseFile?: string }) =>
      withServices(async ({ exports }) => {
        const passphrase =
          passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile)
        const { users, withoutHash } = await writeExport(file, exports, passphrase)
        print(`${String(users)} users exported to ${file}`)
        if (withoutHash === 0) return
        print(
          `${String(withoutHash)} hashes left out, because they need a key: add --passphrase-file`,
        )
      }),
    )
  return addExamples(command, 'gatehouse export users.ndjson')
}

async function writeExport(file: string, exports: ExportService, passphrase: string | undefined) {
  const stream = createWriteStream(file, { mode: 0o600, flags: 'wx' })
  let fault: Error | undefined
  stream.on('error', (error) => (fault = error))
  try {
    const totals = await exports.run({
      passphrase,
      async write(line) {
        if (fault) throw fault
        if (!stream.write(`${line}\n`)) await once(stream, 'drain')
      },
    })
    stream.end()
    await finished(stream)
    return totals
  } catch (cause) {
    stream.destroy()
    if (fault) throw new OperatorError(`${file} cannot be written: ${fault.message}`, { cause })
    throw cause
  }
}
