import { open, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { fileSpool } from '../../../../services/audit/log/bundle/spool.ts'
import {
  centralRecord,
  endOfArchive,
  largeSize,
  localHeader,
  localHeaderLength,
  parseLocalHeader,
} from '../../../../services/audit/log/bundle/zip-format.ts'
import { createZipWriter, type ZipWriter } from '../../../../services/audit/log/bundle/zip-writer.ts'
import { scratchDirectory } from '../../../support/service.ts'
import { unzip } from '../../../support/unzip.ts'

/** An archive as a file. */
const archive = async (t: Test, fill: (zip: ZipWriter) => Promise<void>): Promise<string> => {
  const file = path.join(scratchDirectory(t, 'zip'), 'a.zip')
  const handle = await open(file, 'w')
  const waiting: Uint8Array[] = []
  const flush = async (): Promise<void> => void (await handle.write(Buffer.concat(waiting.splice(0))))
  let spools = 0
  const zip = createZipWriter(
    {
      write: async (bytes) => {
        if (waiting.push(bytes) > 5_000) await flush()
      },
    },
    () => {
      spools += 1
      return fileSpool(`${file}.${spools}`, (name) => rm(name))
    },
  )
  await fill(zip)
  const size = await zip.end()
  await flush()
  await zip.close()
  await handle.close()
  t.equal((await stat(file)).size, size)
  return file
}

t.test('another reader finds every file, those that were put aside too', async (t) => {
  const file = await archive(t, async (zip) => {
    const late = await zip.late('index.csv')
    await late.write(Buffer.from('a,'))
    await zip.add('first.txt', Buffer.from('one'))
    await late.write(Buffer.from('b\r\n'))
    await zip.add('empty', Buffer.alloc(0))
    await zip.addLate(late)
  })
  const files = [...(await unzip(file))].map(([name, bytes]) => [name, bytes?.toString()])
  t.same(files, [
    ['first.txt', 'one'],
    ['empty', ''],
    ['index.csv', 'a,b\r\n'],
  ])
})

t.test('more files than 16 bits can number are all found', async (t) => {
  const count = 70_000
  const file = await archive(t, async (zip) => {
    for (let index = 0; index < count; index += 1) await zip.add(`entries/${index}.json`, Buffer.from(`${index}`))
  })
  const files = await unzip(file, 2)
  t.equal(files.size, count)
  t.equal([...files.keys()].at(-1), 'entries/69999.json')
  t.equal(files.get('entries/1.json')?.toString(), '1')
})

t.test('sizes and places beyond 32 bits stand in 64', async (t) => {
  const large = { name: 'index.csv', size: 2 ** 33 + 5, crc: 7 }
  const header = localHeader(large)
  const parsed = parseLocalHeader(header.subarray(0, localHeaderLength))
  t.match(parsed, { size: 0xffffffff, crc: 7, nameLength: 9, extraLength: 20 })
  t.equal(largeSize(header.subarray(localHeaderLength + 9)), large.size)
  t.equal(centralRecord(large, 2 ** 34).readUInt16LE(30), 4 + 3 * 8, 'both sizes and the place')
  t.equal(centralRecord({ ...large, size: 5 }, 2 ** 34).readUInt16LE(30), 4 + 8, 'the place alone')
  t.equal(endOfArchive(3, 100, 200).length, 22)
  t.equal(endOfArchive(3, 100, 2 ** 32).length, 98)
  t.equal(parseLocalHeader(Buffer.alloc(30)), undefined)
  t.equal(largeSize(Buffer.alloc(3)), undefined)
})
