/** Binary digits of a number that is not negative; 0 has none. */
export const bitLength = (value: bigint): number => (value === 0n ? 0 : value.toString(2).length)

/** Ones among the binary digits of a number that is not negative. */
export const bitCount = (value: bigint): number => value.toString(2).replaceAll('0', '').length
