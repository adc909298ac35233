/** Reads what h2load (nghttp2 1.52) prints and logs. */

export interface H2loadSummary {
  /** Answered with an HTTP status of 2xx. Says nothing about a gRPC status, which stands in the trailers. */
  readonly succeeded: number
  /** Asked for, whatever became of them. */
  readonly requested: number
  readonly seconds: number
  /** Bytes of DATA frames received: an answer without a message has none. */
  readonly dataBytes: number
}

const units: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3_600 }

const secondsOf = (text: string): number => {
  const match = /^([\d.]+)(us|ms|s|m|h)$/.exec(text)
  if (match === null) throw new SyntaxError(`h2load gave a time that is none: ${text}`)
  return Number(match[1]) * (units[match[2] as string] as number)
}

const find = (text: string, pattern: RegExp, what: string): RegExpExecArray => {
  const match = pattern.exec(text)
  if (match === null) throw new SyntaxError(`h2load's output has no ${what}:\n${text}`)
  return match
}

/** Throws SyntaxError for the output of another program, or of a run that did not finish. */
export const readSummary = (text: string): H2loadSummary => {
  const [, time = ''] = find(text, /^finished in (\S+), [\d.]+ req\/s/m, 'line "finished in"')
  const [, total, , , succeeded] = find(
    text,
    /^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, \d+ failed, \d+ errored, \d+ timeout$/m,
    'line "requests"',
  )
  const [, dataBytes] = find(text, /^traffic: .*, [\d.]+\w*B? \((\d+)\) data$/m, 'line "traffic"')
  return { requested: Number(total), succeeded: Number(succeeded), seconds: secondsOf(time), dataBytes: Number(dataBytes) }
}

/** Latencies of the successful requests in milliseconds. A line is: start in microseconds since the epoch, status, microseconds it took. */
export const readLatencies = (log: string): number[] => {
  const latencies: number[] = []
  for (const line of log.split('\n')) {
    if (line === '') continue
    const [start, status, took] = line.split('\t')
    if (start === undefined || took === undefined || Number.isNaN(Number(took)))
      throw new SyntaxError(`not a line of h2load's log: ${line}`)
    if (status?.startsWith('2') === true) latencies.push(Number(took) / 1_000)
  }
  return latencies
}
