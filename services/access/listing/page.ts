/** One page of things that have a place in an order, of those that hold. */
export interface Page<Found> {
  readonly found: readonly Found[]
  /** Place of the last one found; undefined when nothing follows. */
  readonly next: string | undefined
}

export interface PageWishes {
  /** The place after which the page begins; undefined: the beginning. */
  readonly after: string | undefined
  /** Things on the page, at most. */
  readonly size: number
}

/**
 * Looks at candidates in order until the page is full and one more is known to follow. Each candidate looked at is a place where the work
 * may be interrupted.
 */
export function* pageOf<Candidate, Found>(
  candidates: readonly Candidate[],
  placeOf: (candidate: Candidate) => string,
  { after, size }: PageWishes,
  look: (candidate: Candidate) => Found | undefined,
): Generator<void, Page<Found>> {
  const found: Found[] = []
  let last: string | undefined
  for (const candidate of candidates) {
    const place = placeOf(candidate)
    if (after !== undefined && place <= after) continue
    const one = look(candidate)
    yield
    if (one === undefined) continue
    if (found.length === size) return { found, next: last }
    found.push(one)
    last = place
  }
  return { found, next: undefined }
}

/** In order of place, by code unit. */
export const byPlace = <Candidate>(candidates: readonly Candidate[], placeOf: (candidate: Candidate) => string): Candidate[] =>
  candidates.toSorted((left, right) => {
    const [one, other] = [placeOf(left), placeOf(right)]
    if (one === other) return 0
    return one < other ? -1 : 1
  })
