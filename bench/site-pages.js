// Lighthouse over the pages of examples/astro, with Node 24. docs/measurements.md says how to start it.
import { randomUUID } from 'node:crypto'
import { chromium } from 'playwright-core'
import { freePort } from './support/free-port.js'

const {
  SITE = 'http://localhost:4321',
  CHROMIUM = '/usr/bin/chromium',
  LIGHTHOUSE = 'lighthouse',
} = process.env
const { default: lighthouse, desktopConfig } = await import(LIGHTHOUSE)
const port = await freePort()

const pages = {
  'signed out': ['/', '/login', '/register'],
  'signed in': ['/', '/app', '/app/sessions'],
}
const forms = { mobile: undefined, desktop: desktopConfig }
const onlyCategories = ['accessibility', 'best-practices']
const onlyAudits = ['network-requests']

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', `--remote-debugging-port=${port}`],
})

/** The cookies of somebody who has just registered. */
async function signUp() {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`${SITE}/register`)
  await page.getByLabel('E-mail address').fill(`${randomUUID()}@example.org`)
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Register' }).click()
  await page.waitForURL(`${SITE}/app`)
  const cookies = await context.cookies()
  await context.close()
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
}

async function measure(path, config, Cookie) {
  const flags = { port, logLevel: 'error', onlyCategories, onlyAudits }
  const extraHeaders = Cookie && { Cookie }
  const { lhr } = await lighthouse(SITE + path, { ...flags, extraHeaders }, config)
  const scores = onlyCategories.map((name) => Math.round(lhr.categories[name].score * 100))
  const requests = lhr.audits['network-requests'].details.items
  const bytes = requests.reduce((sum, { transferSize }) => sum + transferSize, 0)
  const failed = onlyCategories
    .flatMap((name) => lhr.categories[name].auditRefs)
    .filter(({ id, weight }) => weight > 0 && (lhr.audits[id].score ?? 1) < 1)
    .map(({ id }) => id)
  return { scores, requests: requests.length, bytes, failed }
}

console.log('| page | form | accessibility | best practices | requests | bytes | lost by |')
console.log('|---|---|---|---|---|---|---|')
const cookie = await signUp()
let isBelow = false
for (const [state, paths] of Object.entries(pages))
  for (const path of paths)
    for (const [form, config] of Object.entries(forms)) {
      const found = await measure(path, config, state === 'signed in' ? cookie : undefined)
      const { scores, requests, bytes, failed } = found
      const cells = [`\`${path}\`, ${state}`, form, ...scores, requests, bytes, failed.join(', ')]
      console.log(`| ${cells.join(' | ')} |`)
      isBelow ||= scores.some((score) => score < 95)
    }
await browser.close()
process.exitCode = isBelow ? 1 : 0
