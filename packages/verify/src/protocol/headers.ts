/**
 * Whether a header came more than once: of most that do, `request.headers` shows the first alone.
 * @param rawHeaders names and values as they came
 */
export function isRepeated(name: string, rawHeaders: string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const other = rawHeaders[at] ?? ''
    if (other.length === name.length && other.toLowerCase() === name) count += 1
  }
  return count > 1
}
