/** Keys in memory. A key never changes, so it is read once. */
export function rememberKeys(find: (id: string) => Promise<Buffer | undefined>, max = 100) {
  const keys = new Map<string, Buffer>()
  return async (id: string): Promise<Buffer | undefined> => {
    const known = keys.get(id)
    if (known) return known
    const key = await find(id)
    if (key) {
      const [oldest] = keys.keys()
      if (keys.size >= max && oldest !== undefined) keys.delete(oldest)
      keys.set(id, key)
    }
    return key
  }
}
