import cliProgress from 'cli-progress'
import type { Io } from '../io.ts'

/** Progress of long work, on stderr. */
export interface Progress {
  advance(by: number): void
  /** Takes the bar away. Safe to call more than once. */
  stop(): void
}

export interface ProgressOptions {
  readonly io: Io
  readonly title: string
  /** Undefined: only counted. */
  readonly total?: number
  /** Shown only once the work has lasted this long, in milliseconds; default 0. */
  readonly afterMs?: number
  /** The work writes to stdout meanwhile: then nothing is drawn when that is a terminal too. */
  readonly printsRows?: boolean
  /** Told even where stderr is no terminal, a line every few seconds; default false. */
  readonly always?: boolean
}

/** Between two lines where nothing can be drawn over, in milliseconds. */
const betweenLinesMs = 2000

/** Draws only on a terminal; a log or a pipe sees nothing of it, unless it is asked for. */
export const createProgress = ({ io, title, total, afterMs = 0, printsRows = false, always = false }: ProgressOptions): Progress => {
  const drawable = io.errIsTerminal && !(printsRows && io.outIsTerminal)
  if (!drawable && !always) return { advance: () => {}, stop: () => {} }
  const started = io.clock.monotonic()
  const bar = new cliProgress.SingleBar({
    stream: io.err as NodeJS.WriteStream,
    format: total === undefined ? `${title} {value}` : `${title} [{bar}] {value}/{total}`,
    clearOnComplete: io.errIsTerminal,
    noTTYOutput: !io.errIsTerminal,
    notTTYSchedule: betweenLinesMs,
  })
  let value = 0
  let drawn = false
  let stopped = false
  return {
    advance: (by) => {
      value += by
      if (stopped || io.clock.monotonic() - started < afterMs) return
      if (drawn) bar.update(value)
      else {
        bar.start(total ?? 0, value)
        drawn = true
      }
    },
    stop: () => {
      stopped = true
      if (drawn) bar.stop()
      drawn = false
    },
  }
}
