/** What loops of the library remember between evaluations: the variables they last ran over, kept on the syntax tree. */

interface LoopContext {
  iterValue?: unknown
  accuValue?: unknown
  reuse?(parent: unknown): unknown
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const collect = (value: unknown, found: Set<LoopContext>, seen: Set<unknown>): void => {
  if (!isObject(value) || seen.has(value)) return
  seen.add(value)
  if (Array.isArray(value)) {
    for (const each of value) collect(each, found, seen)
    return
  }
  const { args, meta, op } = value
  if (op === 'comprehension' && isObject(args)) {
    if (isObject(args['iterCtx'])) found.add(args['iterCtx'])
    for (const part of ['iterable', 'step', 'init']) collect(args[part], found, seen)
    return
  }
  if (isObject(meta)) collect(meta['alternate'], found, seen)
  collect(args, found, seen)
}

export interface LoopMemory {
  /** Lets go of the facts of the last evaluation, so that nothing of a request outlives it. */
  forget(): void
}

/** `tree`: of a checked expression. */
export const loopsOf = (tree: unknown): LoopMemory => {
  const found = new Set<LoopContext>()
  collect(tree, found, new Set())
  return {
    forget() {
      for (const context of found) {
        context.iterValue = undefined
        context.accuValue = undefined
        context.reuse?.(undefined)
      }
    },
  }
}
