/**
 * The URL as `pg` takes it. `pg` verifies the certificate and the host name with `prefer`, `require` and
 * `verify-ca` too, and prints a warning of nine lines about that. `verify-full` is the same without the warning.
 * `uselibpqcompat=true` asks for the weaker modes of libpq, and prints nothing.
 */
export function toConnectionString(url: string): string {
  if (/[?&]uselibpqcompat=true(&|#|$)/.test(url)) return url
  return url.replaceAll(/(?<=[?&]sslmode=)(prefer|require|verify-ca)(?=&|#|$)/g, 'verify-full')
}
