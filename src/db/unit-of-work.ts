/**
 * Repositories, and the same ones in one transaction. A service names the repositories and methods
 * that it uses, so its type says what it may touch.
 */
export type UnitOfWork<Repositories> = Repositories & {
  /** Runs `work` in one transaction; rolls back and rethrows what it throws. */
  transaction<Result>(work: (tx: Repositories) => Promise<Result>): Promise<Result>
}

type Makers<Values> = { [Name in keyof Values]: () => Values[Name] }

/** An object that makes each value when it is first read: a transaction uses few repositories. */
export function lazily<Values extends object>(makers: Makers<Values>): Values {
  const values = {}
  for (const [name, make] of Object.entries<() => unknown>(makers)) {
    let value: unknown
    Object.defineProperty(values, name, { enumerable: true, get: () => (value ??= make()) })
  }
  return values as Values
}
