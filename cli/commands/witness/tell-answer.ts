import type { WitnessEvent } from '../../../services/audit/log/witness/witness.ts'
import { count } from '../../output/describe.ts'
import { printable } from '../../output/printable.ts'
import type { Session } from '../../session.ts'

const entries = (size: bigint | undefined): string => count(size ?? 0n, 'entry', 'entries')

/** What a person should hear of an answer; undefined: nothing out of the ordinary. Anybody can send what a log has signed, so it accuses nobody. */
const warningOf = ({ answer, origin, size, lastSize, evidence }: WitnessEvent): string | undefined => {
  const log = printable(origin ?? '')
  switch (answer) {
    case 'fork':
      return `FORK: ${log} has signed two different histories of ${entries(size)}. The proof is in ${evidence}. Keep it, and tell the clinic.`
    case 'not_proven':
      return `NOT PROVEN: ${log} has signed a checkpoint of ${entries(size)}, and whoever sent it did not show that it continues the one of ${lastSize ?? 0n}. Tell the clinic.`
    case 'conflict':
      return size !== undefined && lastSize !== undefined && size < lastSize
        ? `OLDER: a checkpoint of ${log} with ${entries(size)} was sent; ${lastSize} were seen before. Ask the clinic whether it has restored a backup.`
        : undefined
    case 'not_signed':
      return `Refused a checkpoint of ${log}: no key given with --log has signed it. Ask the clinic whether its key has changed.`
    case 'cosigned':
    case 'malformed':
    case 'old_size_too_large':
    case 'unknown_origin':
      return undefined
    default:
      return answer satisfies never
  }
}

/** The same of the same log comes again with every round of the clinic's service: told the first time, the tenth, the hundredth and so on. */
const createRepeats = (): ((event: WitnessEvent) => number) => {
  const last = new Map<string, { readonly same: string; times: number }>()
  return ({ answer, origin, size, lastSize }) => {
    const [key, same] = [`${answer} ${origin ?? ''}`, `${size} ${lastSize}`]
    const known = last.get(key)
    if (known?.same === same) {
      known.times += 1
      return known.times
    }
    last.set(key, { same, times: 1 })
    return 1
  }
}

const isPowerOfTen = (times: number): boolean => Number.isInteger(Math.log10(times))

/** Tells of answers as they come. */
export type TellAnswer = (event: WitnessEvent) => Promise<void>

/** Says on stderr what somebody has to look at; every answer where `verbose`. One JSON object where JSON was asked for. */
export const createTellAnswer = (session: Session, verbose: boolean): TellAnswer => {
  const repeats = createRepeats()
  return async (event) => {
    const warning = warningOf(event)
    // Only what is watched leads to a warning, so that nobody can make it remember more.
    const times = warning === undefined ? 1 : repeats(event)
    if (verbose || (warning !== undefined && isPowerOfTen(times))) await tell(session, event, times)
  }
}

const tell = async (session: Session, event: WitnessEvent, times: number): Promise<void> => {
  const warning = warningOf(event)
  const { answer, origin, size, lastSize, evidence } = event
  const time = new Date(session.io.clock.wall()).toISOString()
  if (session.json) {
    const sizes = { size: size === undefined ? undefined : String(size), last_size: lastSize === undefined ? undefined : String(lastSize) }
    const again = times === 1 ? {} : { times }
    return session.note(JSON.stringify({ time, answer, origin, ...sizes, evidence, ...again }))
  }
  const plain = [answer.replaceAll('_', ' '), printable(origin ?? ''), size === undefined ? '' : entries(size)].filter(
    (part) => part !== '',
  )
  return session.note(`${time} ${warning ?? plain.join(' ')}${times === 1 ? '' : ` (${times} times)`}`)
}
