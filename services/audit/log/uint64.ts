/** Sizes, indices and times of a log: unsigned, 64 bits. */
export const maxUint64 = 2n ** 64n - 1n

/** Decimal without a sign or leading zeros, at most 2^64 - 1; undefined for anything else. */
export const parseUint64 = (text: string): bigint | undefined => {
  if (!/^(?:0|[1-9]\d{0,19})$/.test(text)) return undefined
  const value = BigInt(text)
  return value <= maxUint64 ? value : undefined
}
