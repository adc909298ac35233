/** Which methods an address answers: the router tells only that it does not answer the one it was asked with (RFC 9110, section 15.5.6). */

export interface KnownRoutes {
  /** Notes a route by its pattern, such as `/v1/clinics/:clinic/access/check`; a last part `*` is whatever is there. */
  add(method: string | readonly string[], pattern: string): void
  /** Every method that a path answers, in order; none where nothing is there. */
  methodsOf(path: string): readonly string[]
}

const matches = (pattern: readonly string[], path: readonly string[]): boolean => {
  if (pattern.at(-1) === '*') return path.length >= pattern.length && matches(pattern.slice(0, -1), path.slice(0, pattern.length - 1))
  return (
    pattern.length === path.length && pattern.every((part, index) => (part.startsWith(':') ? path[index] !== '' : part === path[index]))
  )
}

export const createKnownRoutes = (): KnownRoutes => {
  const routes: { readonly pattern: readonly string[]; readonly methods: readonly string[] }[] = []
  return {
    add: (method, pattern) => {
      routes.push({ pattern: pattern.split('/'), methods: typeof method === 'string' ? [method] : method })
    },
    methodsOf: (path) => {
      const parts = path.split('/')
      return [...new Set(routes.filter(({ pattern }) => matches(pattern, parts)).flatMap(({ methods }) => methods))].sort()
    },
  }
}
