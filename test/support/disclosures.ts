/** Whether a text tells one of the names, in any form that it could be written in by accident. */
const atEachOffset = (name: string, encoding: 'base64' | 'base64url'): readonly string[] =>
  // Where the name stands in what is encoded decides its digits; those at the ends also hold bits of its neighbours.
  [0, 1, 2].map((offset) => {
    const encoded = Buffer.from(' '.repeat(offset) + name).toString(encoding)
    const first = Math.ceil((offset * 8) / 6)
    return encoded.replace(/=+$/, '').slice(first, -1)
  })

/** Plain, JSON, percent-encoded, base64, base64url and hexadecimal. */
const formsOf = (name: string): readonly string[] => [
  ...new Set([
    name,
    JSON.stringify(name).slice(1, -1),
    encodeURIComponent(name),
    encodeURIComponent(name).replaceAll('%20', '+'),
    Buffer.from(name).toString('hex'),
    ...atEachOffset(name, 'base64'),
    ...atEachOffset(name, 'base64url'),
  ]),
]

export interface Search {
  /** Looks for every name; what is found is remembered with the place. */
  in(place: string, text: string): void
  /** E.g. `patient in the log`, each once. */
  readonly found: readonly string[]
  /** Characters looked through. */
  readonly characters: number
}

export const searchFor = (names: Readonly<Record<string, string>>): Search => {
  const forms = Object.entries(names).map(([what, name]) => [what, formsOf(name)] as const)
  const found = new Set<string>()
  let characters = 0
  return {
    in: (place, text) => {
      characters += text.length
      for (const [what, shapes] of forms) if (shapes.some((shape) => text.includes(shape))) found.add(`${what} in ${place}`)
    },
    get found() {
      return [...found]
    },
    get characters() {
      return characters
    },
  }
}
