/** Metrics of one process in the text format of Prometheus. */
export interface ProcessMetrics {
  /** What its series are told apart by. */
  readonly worker: string
  readonly text: string
}

const withWorker = (sample: string, worker: string): string => {
  const place = sample.search(/[{ ]/)
  const name = sample.slice(0, place)
  return sample[place] === '{'
    ? `${name}{worker="${worker}",${sample.slice(place + 1)}`
    : `${name}{worker="${worker}"}${sample.slice(place)}`
}

/**
 * One page from those of several processes: every series gets the label `worker`, and what belongs to one metric stands together under one
 * heading, as the format demands.
 */
export const mergeMetrics = (processes: readonly ProcessMetrics[]): string => {
  const metrics = new Map<string, { readonly heading: Map<string, string>; readonly samples: string[] }>()
  for (const { worker, text } of processes) {
    let current: { readonly heading: Map<string, string>; readonly samples: string[] } | undefined
    for (const line of text.split('\n')) {
      const [, keyword, name] = /^# (HELP|TYPE|UNIT) (\S+)/.exec(line) ?? []
      if (keyword !== undefined && name !== undefined) {
        current = metrics.get(name) ?? { heading: new Map(), samples: [] }
        metrics.set(name, current)
        if (!current.heading.has(keyword)) current.heading.set(keyword, line)
      } else if (line !== '' && !line.startsWith('#')) current?.samples.push(withWorker(line, worker))
    }
  }
  const lines = [...metrics.values()].flatMap(({ heading, samples }) => [...heading.values(), ...samples])
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}
