/** Where time enters. Milliseconds since the Unix epoch for `wall`; milliseconds from any fixed origin for `monotonic`. */
export interface Clock {
  wall(): number
  /** Never goes backwards, whatever is done to the machine's clock. */
  monotonic(): number
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
}
