/**
 * Whether a request has a header more than once. For some headers, such as Authorization, Node's
 * `request.headers` keeps only the first.
 * @param name in lower case
 * @param rawHeaders `rawHeaders` of the Node request: names and values alternate
 */
export function isRepeated(name: string, rawHeaders: string[]): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const other = rawHeaders[at] ?? ''
    if (other.length === name.length && other.toLowerCase() === name) count += 1
  }
  return count > 1
}
