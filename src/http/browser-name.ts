// A browser names others in its User-Agent too, so the more special names come first.
const browsers: [pattern: RegExp, name: string][] = [
  [/Edg(e|A|iOS)?\//, 'Edge'],
  [/OPR\/|Opera/, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
  [/^gatehouse\b/, 'gatehouse login'],
  [/^curl\//, 'curl'],
]
const systems: [pattern: RegExp, name: string][] = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
]

/** A browser in words, such as "Firefox on Windows". The client chooses its User-Agent: this is no proof. */
export function nameOfBrowser(userAgent: string | null): string {
  const text = userAgent?.slice(0, 256) ?? ''
  const find = (names: typeof browsers) => names.find(([pattern]) => pattern.test(text))?.[1]
  const system = find(systems)
  return `${find(browsers) ?? 'Another program'}${system === undefined ? '' : ` on ${system}`}`
}
