/** Detects PNG, JPEG and WebP by the first bytes. The content type that the client sends is ignored. */
export function formatOf(bytes: Buffer): 'png' | 'jpeg' | 'webp' | undefined {
  const starts = (hex: string, at = 0) =>
    bytes.subarray(at, at + hex.length / 2).toString('hex') === hex
  if (starts('89504e470d0a1a0a')) return 'png'
  if (starts('ffd8ff')) return 'jpeg'
  if (starts('52494646') && starts('57454250', 8)) return 'webp'
  return undefined
}
