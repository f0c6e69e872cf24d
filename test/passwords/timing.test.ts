import t from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0

/**
 * Interleaved, so that a noisy machine is noisy for all. The hash costs enough to be most of a login,
 * as it does by default.
 */
t.test('unknown, wrong and disabled cannot be told apart by time', async (t) => {
  const { app, origin, sql } = await listeningApp(t, {
    env: { ARGON2_MEMORY: '19456', ARGON2_ITERATIONS: '2' },
  })
  await signUp(app)
  await signUp(app, { email: 'off@example.org', password: ada.password })
  await sql(`update users set disabled_at = now() where email = 'off@example.org'`)
  const bodies = {
    wrong: { email: ada.email, password: 'wrong horse battery' },
    unknown: { email: 'eve@example.org', password: ada.password },
    disabled: { email: 'off@example.org', password: ada.password },
  }
  const times: Record<string, number[]> = { wrong: [], unknown: [], disabled: [] }
  for (let round = 0; round < 31; round += 1) {
    for (const [kind, body] of Object.entries(bodies)) {
      const start = performance.now()
      const answer = await fetch(`${origin}/api/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      await answer.arrayBuffer()
      times[kind]?.push(performance.now() - start)
    }
  }
  // Round by round: what slows the machine slows a whole round.
  for (const kind of ['unknown', 'disabled']) {
    const ratio = median(
      (times[kind] ?? []).map((time, round) => time / (times.wrong?.[round] ?? 0)),
    )
    t.ok(
      ratio > 0.75 && ratio < 1.25,
      `${kind} takes ${ratio.toFixed(2)} of a wrong password's time`,
    )
  }
})
