import type { Decision } from '../../src/features/sessions/refresh-rule.js'

/** In seconds, with room for a busy machine; the present generation then stays for five. */
export const grace = 100

export type RefreshCase = {
  name: string
  /** How many seconds ago each of the last generations was exchanged, the newest last. */
  spentAgo: number[]
  isUsed?: boolean
  repeats?: number
  presented: number
  decision: Decision
}

/** Each in a session whose present generation is the fourth, or another one that is named. */
export const present = 4

export const refreshCases: (RefreshCase & { generation?: number })[] = [
  {
    name: 'the token of the login, at once',
    generation: 0,
    spentAgo: [],
    presented: 0,
    decision: 'rotate',
  },
  { name: 'the present token', spentAgo: [300], presented: 4, decision: 'rotate' },
  {
    name: 'the present token of a session that was never seen to be used, after late repeats',
    spentAgo: [300],
    repeats: 1,
    presented: 4,
    decision: 'rotate',
  },
  {
    name: 'the present token, as it gets old enough',
    spentAgo: [30],
    presented: 4,
    decision: 'rotate',
  },
  { name: 'the present token, too young', spentAgo: [1], presented: 4, decision: 'repeat' },
  {
    name: 'the present token, too young, though it was used',
    spentAgo: [1],
    isUsed: true,
    presented: 4,
    decision: 'repeat',
  },
  { name: 'the one before it, within the grace', spentAgo: [60], presented: 3, decision: 'repeat' },
  {
    name: 'the one before it, within the grace, though the present one was used',
    spentAgo: [60],
    isUsed: true,
    presented: 3,
    decision: 'repeat',
  },
  {
    name: 'the one before it, within the grace, after a late repeat',
    spentAgo: [60],
    repeats: 1,
    presented: 3,
    decision: 'repeat',
  },
  {
    name: 'two steps back, within the grace',
    spentAgo: [60, 30],
    presented: 2,
    decision: 'repeat',
  },
  {
    name: 'two steps back, within the grace, though the present one was used',
    spentAgo: [60, 30],
    isUsed: true,
    presented: 2,
    decision: 'repeat',
  },
  { name: 'two steps back, after its grace', spentAgo: [130, 30], presented: 2, decision: 'reuse' },
  { name: 'two steps back, not remembered', spentAgo: [30], presented: 2, decision: 'reuse' },
  { name: 'the first of four, long spent', spentAgo: [60, 30], presented: 0, decision: 'reuse' },
  { name: 'the one before it, late', spentAgo: [130], presented: 3, decision: 'repeat_late' },
  {
    name: 'the one before it, days late',
    spentAgo: [300_000],
    presented: 3,
    decision: 'repeat_late',
  },
  {
    name: 'the one before it, late, though the present one was used',
    spentAgo: [130],
    isUsed: true,
    presented: 3,
    decision: 'reuse',
  },
  {
    name: 'the one before it, late, after a late repeat',
    spentAgo: [130],
    repeats: 1,
    presented: 3,
    decision: 'reuse',
  },
  { name: 'two steps back, late', spentAgo: [400, 130], presented: 2, decision: 'reuse' },
  { name: 'one that is yet to come', spentAgo: [130], presented: 5, decision: 'reuse' },
]
