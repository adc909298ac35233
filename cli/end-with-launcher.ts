/**
 * launch.js holds the other end of a channel to this process. When it is gone, killed outright perhaps, nobody waits for this process any
 * more and nobody could stop it by stopping the launcher: it then ends as it would on SIGTERM.
 */
export const endWithLauncher = (): void => {
  if (process.channel === undefined) return
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
