import t from 'tap'
import type { DenialTuple, DenialList } from '../../../src/features/denylist/repository.js'
import { createRevocations } from '../../../src/features/revocations/service.js'

const [one, two] = ['1a'.repeat(16), '2b'.repeat(16)]
const denials: DenialTuple[] = [['01890a5d-ac96-774b-bcce-b302099a8057', 2_000_000_000, null]]

/** The feed on a server, with what that says of its list, and of what is new since a snapshot. */
function feedOf() {
  const at = { ms: 0 }
  const server = { history: one, snapshot: '9:9:', list: one, news: one, isKnown: true }
  const say = (history: string, snapshot: string, found: Partial<DenialList>): DenialList => ({
    ...{ history, snapshot, known: true, at: at.ms, keys: 1, denials: [] },
    ...found,
  })
  const { read } = createRevocations({
    denylist: {
      listSince: async (since) => {
        const isLook = since === null || since === server.snapshot
        const { history, news, snapshot, isKnown } = server
        return say(isLook ? history : news, snapshot, { known: isKnown })
      },
      listAfter: async () => say(server.list, server.snapshot, { denials }),
      beginHistory: async () => undefined,
    },
    keyring: {
      current: () => ({ jwk: {}, signRevocations: (claims: object) => JSON.stringify(claims) }),
      follow: async () => undefined,
      jwks: () => ({ keys: [] }),
    } as never,
    accessTtl: 900,
    clock: { monotonic: () => at.ms },
  })
  const ask = async (cursor?: string) => {
    at.ms += 1_000 // nothing is from memory
    return JSON.parse((await read(cursor)).token) as {
      full: boolean
      next: string
      denials: unknown
    }
  }
  return { server, ask }
}

t.test('where the last snapshot is of the future nothing goes on from it', async (t) => {
  const { server, ask } = feedOf()
  const { next } = await ask()
  t.match(await ask(next), { full: false, denials: [] })
  Object.assign(server, { snapshot: '5:5:', isKnown: false }) // another past of the same name
  t.match(await ask(next), { full: true, denials })
})

t.test('what another server answers is not told as of this one', async (t) => {
  const { server, ask } = feedOf()
  server.list = two
  await t.rejects(ask(), { code: 'unavailable' })
  server.list = one
  t.match(await ask(), { full: true, denials })
  t.match(await ask(`${one}.3:3:`), { full: false, denials: [] }, 'a cursor of another instance')
  server.news = two
  await t.rejects(ask(`${one}.4:4:`), { code: 'unavailable' })
})
