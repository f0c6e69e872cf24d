import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { adminQuery, stateFile, templateName, type TestServer } from './database.js'

const { pid } = JSON.parse(await readFile(stateFile, 'utf8')) as TestServer
await adminQuery(`drop database if exists ${templateName} with (force)`)
await rm(stateFile)
if (pid) {
  process.kill(pid, 'SIGTERM')
  while (isAlive(pid)) await sleep(50)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
