import type { Clients } from './clinic.ts'

/** How many entries of a clinic speak of a watch: begun, or refused. */
export const watchesRecorded = async ({ audit }: Clients, clinic: string): Promise<number> => {
  let entries = 0
  for await (const { item } of audit.readEntries({ clinic })) {
    if (item.case === 'entry' && new TextDecoder().decode(item.value.canonical).includes('"watch_access"')) entries += 1
  }
  return entries
}
