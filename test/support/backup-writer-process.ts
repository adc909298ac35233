/** Writes one object after the other until it is killed: `store` as the product does it, `plain` as a copy would. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDirectoryBackupStore } from '../../services/audit/backup/directory-backup-store.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'

const [directory = '', way = '', bytes = '0'] = process.argv.slice(2)
const store = createDirectoryBackupStore({ directory, clock: systemClock, randomness: systemRandomness })
for (let number = 0; ; number += 1) {
  const object = Buffer.alloc(Number(bytes), number % 256)
  if (way === 'store') await store.write(`object-${number}`, object)
  else await writeFile(join(directory, `object-${number}`), object)
}
