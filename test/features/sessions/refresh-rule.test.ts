import t from 'tap'
import {
  createRefreshRule,
  type SessionState,
} from '../../../src/features/sessions/refresh-rule.js'
import { grace, present, refreshCases } from '../../support/refresh-cases.js'

const now = 1_800_000_000

t.test('the state of the session decides between rotation, repeat and reuse', async (t) => {
  const { decide } = createRefreshRule(grace)
  for (const one of refreshCases) {
    const { name, generation = present, spentAgo, isUsed = false, repeats = 0 } = one
    const spent_at = spentAgo.map((seconds) => now - seconds)
    const state = { generation, spent_at, is_used: isUsed, repeats }
    t.equal(decide(state, one.presented, now), one.decision, name)
  }
})

t.test('the grace and the minimum age end at their exact second', async (t) => {
  const { decide, minAge } = createRefreshRule(10)
  t.equal(minAge, 5)
  const state = (ago: number): SessionState => ({
    generation: 1,
    spent_at: [now - ago],
    is_used: true,
    repeats: 0,
  })
  t.equal(decide(state(9.999), 0, now), 'repeat')
  t.equal(decide(state(10), 0, now), 'reuse')
  t.equal(decide(state(4.999), 1, now), 'repeat')
  t.equal(decide(state(5), 1, now), 'rotate')
  t.equal(decide(state(-3), 0, now), 'repeat', 'the clock of a new primary may be behind')
  t.equal(decide(state(-3), 1, now), 'repeat')
})

t.test('a session remembers every generation spent within the grace', async (t) => {
  for (const seconds of [1, 2, 9, 10, 11, 60, 600, 3_600]) {
    const { decide, minAge, remembered } = createRefreshRule(seconds)
    t.ok(minAge < seconds, `${seconds} s: a generation can be rotated within the grace`)
    t.ok(remembered <= 64, `${seconds} s: ${remembered} generations are remembered`)
    // Rotate as fast as the rule allows: when the present generation reaches its minimum age.
    let state: SessionState = { generation: 0, spent_at: [], is_used: false, repeats: 0 }
    const decisions = new Set<string>()
    for (let step = 0; step < 200; step += 1) {
      const at = step * minAge
      decisions.add(decide(state, state.generation, at))
      const spent_at = [...state.spent_at, at].slice(-remembered)
      state = { ...state, generation: state.generation + 1, spent_at }
      const lately = Math.min(step + 1, Math.ceil(seconds / minAge))
      for (let back = 1; back <= lately; back += 1) {
        decisions.add(`spent: ${decide(state, state.generation - back, at)}`)
      }
    }
    t.strictSame([...decisions], ['rotate', 'spent: repeat'], `${seconds} s`)
  }
})
