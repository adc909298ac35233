import { readdirSync, readFileSync } from 'node:fs'

/** Fields of /proc/<pid>/stat (proc_pid_stat(5)), counted from behind the name in parentheses; times are its own and its ended children's. */
const [parentField, ...timeFields] = [1, 11, 12, 13, 14]

/** Of a tick in it; Linux has told 100 a second for as long as it has told programs at all. */
const tickMs = 10

/** Processor time that a process and all below it have used so far, milliseconds; undefined where the system does not tell (it does on Linux). */
export const processorMsOf = (pid: number): number | undefined => {
  const spent = new Map<number, { readonly parent: number; readonly ms: number }>()
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue
      try {
        const fields = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
        const ms = timeFields.reduce((sum, field) => sum + Number(fields[field]), 0) * tickMs
        spent.set(Number(name), { parent: Number(fields[parentField]), ms })
      } catch {
        // It has ended meanwhile.
      }
    }
  } catch {
    return undefined
  }
  const isBelow = (each: number): boolean => each === pid || (spent.has(each) && isBelow(spent.get(each)?.parent ?? 0))
  let sum = 0
  for (const [each, { ms }] of spent) if (isBelow(each)) sum += ms
  return sum
}
