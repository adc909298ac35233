/** What a service counts, read as a collector reads it. */

export type Counters = (name: string, labels: Readonly<Record<string, string>>) => number

/** The value of a metric by name and labels, 0 where there is none. `address`: where `/metrics` answers. */
export const countersOf = async (address: string): Promise<Counters> => {
  const lines = (await (await fetch(`${address}/metrics`)).text()).split('\n')
  return (name, labels) => {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
    const found = lines.filter((line) => line.startsWith(`${name}{`) && wanted.every((label) => line.includes(label)))
    return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }
}
