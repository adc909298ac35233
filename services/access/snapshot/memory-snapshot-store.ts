import type { SnapshotStore, StoredSnapshot } from '../snapshot-store.ts'

/** The reference model of the snapshot store: keeps everything in memory. For tests. */
export const createMemorySnapshotStore = (): SnapshotStore & { readonly stored: Map<string, StoredSnapshot> } => {
  const stored = new Map<string, StoredSnapshot>()
  return {
    stored,
    read: async (clinic) => stored.get(clinic),
    write: async (clinic, snapshot, instead) => {
      const there = stored.get(clinic)
      const replaces = there !== undefined && there.format === instead?.format && there.stateRevision === instead.stateRevision
      if (there !== undefined && there.stateRevision >= snapshot.stateRevision && !replaces) return false
      stored.set(clinic, snapshot)
      return true
    },
  }
}
