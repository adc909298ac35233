/**
 * A signer as a process of its own: claims the store in the directory it is given, moves two origins on as often as it is told, claims again
 * whenever it was superseded, and prints each step it tried and each head it might now sign. For tests of processes that meet.
 */
import { createDirectorySignerStore } from '../../services/audit/log/directory-signer-store.ts'
import { createSignerFiles } from '../../services/audit/log/signer/signer-files.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { headOf } from './signed-heads.ts'

const [directory = '', who = '', count = '0'] = process.argv.slice(2)
const origins = ['one', 'two']

const files = createSignerFiles(directory, systemRandomness)
const store = createDirectorySignerStore({ files, installation: 'together', compactAfter: 2_000 })
const print = (kind: string, step: object): void => {
  process.stdout.write(`${JSON.stringify({ kind, step }, (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}\n`)
}

let session = await store.claim()
for (let number = 0; number < Number(count); ) {
  const steps = origins.map((origin) => {
    const from = session.record(origin)
    return { from, to: headOf(origin, (from?.size ?? 0n) + 1n, `${who} ${session.epoch} ${number}`) }
  })
  for (const step of steps) print('tried', step)
  const { kind } = await session.advance(steps)
  if (kind === 'superseded') {
    await session.close()
    session = await store.claim()
  }
  if (kind === 'conflict') throw new Error('a session does not know its own records')
  if (kind !== 'recorded') continue
  for (const step of steps) print('signed', step)
  number += 1
}
