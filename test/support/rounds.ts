/**
 * How many times an attack that depends on timing is tried: a tenth of `all` (at least three times),
 * or `all` of them where TEST_ROUNDS is "all", as `npm run test:long` sets it.
 */
export const rounds = (all: number) =>
  process.env.TEST_ROUNDS === 'all' ? all : Math.max(3, Math.ceil(all / 10))
