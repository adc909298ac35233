const pollMs = 500

/**
 * Ends this process as SIGTERM would once whoever started it is gone and nobody could stop it by stopping them.
 * - launch.js holds the other end of a channel to this process, which closes when it is killed outright.
 * - npm (`npm start`, `npx`) runs commands in a shell, and the common `sh` dies of a signal without passing it on; the process then has
 *   another parent.
 */
export const endWithLauncher = (): void => {
  const end = (): void => {
    process.kill(process.pid, 'SIGTERM')
  }
  if (process.channel !== undefined) {
    process.on('disconnect', end)
    process.channel.unref()
  } else if (process.env['npm_lifecycle_event'] !== undefined) {
    const parent = process.ppid
    const timer = setInterval(() => {
      if (process.ppid === parent) return
      clearInterval(timer)
      end()
    }, pollMs)
    timer.unref()
  }
}
