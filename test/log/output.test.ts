import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLogOutput } from '../../src/log/output.js'

process.setMaxListeners(50) // each output has one

/** A device of which each write takes so many bytes, or fails with a code. */
function device(answers: (number | string)[]) {
  let text = ''
  const write = (_fd: number, bytes: Buffer): number => {
    const answer = answers.shift() ?? bytes.length
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer })
    const taken = bytes.subarray(0, answer)
    text += taken.toString()
    return taken.length
  }
  const now = () => new Date('2026-01-02T03:04:05.678Z')
  return { output: createLogOutput(1, { write, now }), written: () => text }
}

const lost = (count: number, code?: string) =>
  `{"level":"warn","time":"2026-01-02T03:04:05.678Z","count":${count},` +
  `${code ? `"code":"${code}",` : ''}"msg":"log lines were lost"}\n`

for (const code of ['EIO', 'EPIPE', 'ENOSPC']) {
  t.test(`lines that meet ${code} are lost and counted`, (t) => {
    const { output, written } = device([9, code, code, code])
    for (const line of ['one', 'two', 'three', 'four', 'five']) output.write(`${line}\n`)
    t.equal(written(), `one\n${lost(3, code)}five\n`)
    t.end()
  })
}

t.test('a line that was written in part is completed first', (t) => {
  const { output, written } = device([2, 'ENOSPC', 'ENOSPC'])
  for (const line of ['one', 'two', 'three']) output.write(`${line}\n`)
  t.equal(written(), `one\n${lost(1, 'ENOSPC')}three\n`)
  t.end()
})

t.test('a slow reader gets every line a little later, up to a megabyte', async (t) => {
  const { output, written } = device(['EAGAIN', 'EAGAIN', 2, 'EAGAIN'])
  output.write('one\n')
  output.write('two\n')
  t.equal(written(), '')
  const line = `${'x'.repeat(400_000)}\n`
  for (let count = 0; count < 3; count += 1) output.write(line)
  t.equal(written(), `one\ntwo\n${line}${line}${line}`, 'the third try succeeds')
  const stuck = device(Array.from({ length: 4 }, () => 'EAGAIN'))
  for (let count = 0; count < 4; count += 1) stuck.output.write(line)
  while (!stuck.written().includes('lost')) await new Promise(setImmediate)
  t.ok(stuck.written().startsWith(lost(2) + line))
})

t.test('a file gets its lines, a full device none, and neither throws', (t) => {
  const file = join(t.testdir(), 'log')
  const fd = openSync(file, 'a')
  createLogOutput(fd).write('one\n')
  closeSync(fd)
  t.equal(readFileSync(file, 'utf8'), 'one\n')
  const full = openSync('/dev/full', 'w')
  createLogOutput(full).write('one\n')
  closeSync(full)
  t.end()
})
