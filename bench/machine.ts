import os from 'node:os'

/** What a figure must stand beside: when, on what, with what. */
export const machine = (): string => {
  const [cpu] = os.cpus()
  return `${new Date().toISOString().slice(0, 10)}, ${os.cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${Math.round(os.totalmem() / 2 ** 30)} GiB, Node ${process.version}`
}
