// Preloaded into a server: at SIGPWR it collects garbage and says how many bytes the heap has in use.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
process.on('SIGPWR', () => {
  collect()
  process.stdout.write(`heap ${process.memoryUsage().heapUsed}\n`)
})
