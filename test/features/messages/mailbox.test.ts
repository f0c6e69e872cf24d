import t from 'tap'
import { systemClock } from '../../../src/concurrency/clock.js'
import { createMailbox } from '../../../src/features/messages/mailbox.js'

const content = { subject: 'Hello', lines: ['Hello'] }

t.test('the last fifty messages are kept, sent or not', async (t) => {
  const mailbox = createMailbox(systemClock)
  const sent: string[] = []
  const { send } = mailbox.watch({
    send: (_id, to) => (to === 'bad' ? Promise.reject(new Error('no')) : void sent.push(to)),
    verify: () => Promise.resolve(),
  } as Parameters<typeof mailbox.watch>[0])
  for (let nth = 1; nth <= 52; nth += 1) await send(`id-${nth}`, `user-${nth}`, content)
  await t.rejects(send('id-53', 'bad', content))
  t.equal(sent.length, 52)
  const kept = mailbox.list()
  t.equal(kept.length, 50)
  t.match(kept[0], { id: 53, to: 'bad', content })
  t.match(kept.at(-1), { id: 4, to: 'user-4' })
  t.equal(mailbox.find(3), undefined)
  t.match(mailbox.find(4), { to: 'user-4' })
})
