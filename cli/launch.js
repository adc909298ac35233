#!/usr/bin/env node
// Starts the command line under the Node that npm installed with the package (`node_modules/node`), because main.ts is TypeScript that
// only Node 24 and later run as it is. Plain JavaScript for any Node from 18 on. Behaves like exec: the same arguments, stdio and exit
// code; signals are passed on; and when this process is killed outright, the channel to the child closes and the child ends itself.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const neededMajor = 24
const main = new URL('./main.ts', import.meta.url)

const bundledNode = () => {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const path = join(dirname(fileURLToPath(import.meta.url)), '..', 'node_modules', 'node', 'bin', name)
  return existsSync(path) ? path : undefined
}

const runUnder = (node) => {
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  // A terminal sends Ctrl-C and Ctrl-\ to the child as well; passing them on would deliver them twice. So does every console of Windows,
  // where passing on would end the child at once.
  const fromTerminal = () => process.platform === 'win32' || process.stdin.isTTY === true
  const passOn = {
    SIGTERM: () => child.kill('SIGTERM'),
    SIGHUP: () => child.kill('SIGHUP'),
    SIGINT: () => fromTerminal() || child.kill('SIGINT'),
    SIGQUIT: () => fromTerminal() || child.kill('SIGQUIT'),
  }
  for (const [signal, handler] of Object.entries(passOn)) process.on(signal, handler)
  child.on('error', (error) => {
    process.stderr.write(`chartwarden: ${node} does not start: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const [name, handler] of Object.entries(passOn)) process.off(name, handler)
    process.kill(process.pid, signal)
  })
}

if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  await import(main.href)
} else {
  const node = bundledNode()
  if (node === undefined) {
    process.stderr.write(
      `chartwarden: Node ${neededMajor} or later is needed, this is ${process.version}, and node_modules/node is missing. Run: npm install\n`,
    )
    process.exitCode = 1
  } else runUnder(node)
}
