/** 0 for none. */
export const greatest = (sizes: Iterable<bigint>): bigint => {
  let most = 0n
  for (const size of sizes) if (size > most) most = size
  return most
}

export const lesser = (one: bigint, other: bigint): bigint => (one < other ? one : other)
