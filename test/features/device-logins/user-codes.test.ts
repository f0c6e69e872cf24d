import t from 'tap'
import {
  createUserCodes,
  readUserCode,
  showUserCode,
} from '../../../src/features/device-logins/user-codes.js'
import { keysSecret } from '../../support/app.js'

const codes = createUserCodes(keysSecret)

t.test('a code has eight consonants, each as often as any other', async (t) => {
  const count = new Map<string, number>()
  for (let nth = 0; nth < 2_500; nth += 1) {
    for (const letter of codes.make()) count.set(letter, (count.get(letter) ?? 0) + 1)
  }
  t.equal([...count.keys()].sort().join(''), 'BCDFGHJKLMNPQRSTVWXZ')
  for (const [letter, times] of count) t.ok(times > 800 && times < 1_200, `${letter} ${times}`)
  t.match(codes.make(), /^.{8}$/)
})

t.test('a code is read in any case, with any spaces and punctuation', async (t) => {
  const spellings = [
    'WDJB-MJHT',
    'wdjb mjht',
    ' WdJbMjHt\n',
    'W D J B – M J H T',
    'ＷＤＪＢ－ＭＪＨＴ',
  ]
  for (const text of spellings) t.equal(readUserCode(text), 'WDJBMJHT', text)
  t.equal(showUserCode('WDJBMJHT'), 'WDJB-MJHT')
})

t.test('what cannot be a code is none', async (t) => {
  const texts = ['', 'WDJBMJH', 'WDJBMJHTT', 'WDJBMJHA', 'WDJBMJH1', 'WDJBMJHÇ', '${WDJBMJHT}']
  for (const text of texts) t.equal(readUserCode(text), undefined, text)
})

t.test('the hash of a code needs the secret of the service', async (t) => {
  const other = createUserCodes(`${keysSecret}!`)
  t.strictSame(codes.hash('WDJBMJHT'), createUserCodes(keysSecret).hash('WDJBMJHT'))
  t.notSame(codes.hash('WDJBMJHT'), other.hash('WDJBMJHT'))
})
