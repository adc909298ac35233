/**
 * Begins large pieces of work a few at a time, with a turn of the event loop between them. Deciding a batch keeps the one thread busy for as long as it
 * takes; were all that came together begun together, whoever comes meanwhile would wait for all of it even to be refused.
 */
export interface Turns {
  /** Undefined: it may begin now. Otherwise it resolves when it may, in the order of asking. */
  enter(units: number): Promise<void> | undefined
}

export interface TurnsOptions {
  /** Units begun in one turn; a piece that is larger begins a turn of its own. */
  readonly unitsInTurn: number
  /** Calls back after what has come in meanwhile was looked at. Defaults to `setImmediate`. */
  readonly nextTurn?: (work: () => void) => void
}

export const createTurns = ({ unitsInTurn, nextTurn = setImmediate }: TurnsOptions): Turns => {
  const waiting: { readonly units: number; readonly begin: () => void }[] = []
  let begun = 0
  let scheduled = false

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    nextTurn(turn)
  }
  const mayBegin = (units: number): boolean => begun === 0 || begun + units <= unitsInTurn

  const turn = (): void => {
    scheduled = false
    begun = 0
    for (let next = waiting[0]; next !== undefined && mayBegin(next.units); next = waiting[0]) {
      begun += next.units
      waiting.shift()
      next.begin()
    }
    if (begun > 0) schedule()
  }

  return {
    enter: (units) => {
      if (waiting.length === 0 && mayBegin(units)) {
        begun += units
        schedule()
        return undefined
      }
      return new Promise((begin) => void waiting.push({ units, begin }))
    },
  }
}
