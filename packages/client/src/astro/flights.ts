/** How long an outcome answers later requests with the same key, in milliseconds. */
const kept = 5_000
const maxKept = 10_000

/** Shares one piece of work among all requests with the same key that come at the same time. A failure is not kept. */
export function createFlights<Result>(now: () => number) {
  const flights = new Map<string, { until: number; result: Promise<Result> }>()

  return function share(key: string, work: () => Promise<Result>): Promise<Result> {
    const known = flights.get(key)
    if (known && now() < known.until) return known.result
    for (const [other, { until }] of flights) {
      if (flights.size < maxKept && now() < until) break
      flights.delete(other)
    }
    const result = work()
    flights.set(key, { until: now() + kept, result })
    result.catch(() => flights.delete(key))
    return result
  }
}
