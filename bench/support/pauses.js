/** The longest time for which the event loop did not turn while `work` ran, in ms. */
export async function longestPause(work) {
  let longest = 0
  let last = performance.now()
  let isRunning = true
  const turn = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (isRunning) setTimeout(turn, 1)
  }
  turn()
  try {
    await work()
  } finally {
    isRunning = false
  }
  return longest
}
