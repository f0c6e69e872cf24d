import node from '@astrojs/node'
import { gatehouse } from '@gatehouse/client/astro'
import { defineConfig } from 'astro/config'

const { SITE = 'http://localhost:4321', BASE = '/', CLIENT_ID } = process.env
const { protocol, hostname } = new URL(SITE)

export default defineConfig({
  site: SITE,
  base: BASE,
  output: 'server',
  adapter: node({ mode: 'standalone' }),
  integrations: [gatehouse({ protect: ['/app'], clientId: CLIENT_ID })],
  security: { allowedDomains: [{ protocol: protocol.slice(0, -1), hostname }] },
  devToolbar: { enabled: false },
})
