/** Runs `work` so many times, `width` at a time; what it returned, in order. */
export async function inParallel(count, work, width = 128) {
  const results = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const nth = next++
      results[nth] = await work(nth)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
  return results
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
