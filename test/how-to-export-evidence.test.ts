/** Somebody exports evidence, and somebody else checks it with nothing but what the pages say. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { type Chartwarden, commandLine } from './support/command-line.ts'
import { documentedFiles } from './support/documented-commands.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { scratchDirectory, startTestService } from './support/service.ts'
import { unzip } from './support/unzip.ts'

const docs = path.resolve(import.meta.dirname, '../docs')
const run = promisify(execFile)

const hasPython = async (): Promise<boolean> =>
  run('python3', ['--version']).then(
    () => true,
    () => false,
  )

t.test('somebody follows the guide, and a stranger checks what comes of it', async (t) => {
  const directory = scratchDirectory(t, 'evidence')
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const cli = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const chartwarden: Chartwarden = (...argv) => cli(...argv.map((word) => (word.endsWith('.zip') ? path.join(directory, word) : word)))
  const followed = await followPage(t, path.join(docs, 'how-to/export-evidence.md'), { chartwarden })
  t.match(followed.find(({ command }) => command.includes('verify'))?.out, /verified/)

  const [closed, open] = await Promise.all(['patient.zip', 'patient-open.zip'].map((name) => unzip(path.join(directory, name))))
  for (const [name, bytes] of closed ?? []) t.notMatch(bytes?.toString('utf8'), 'p-1001', `${name} of a closed file names nobody`)
  t.match(closed?.get('index.html')?.toString(), /In this file: entries that name the patient [\w-]{10,}\./, 'but by the pseudonym')
  t.match(open?.get('index.html')?.toString(), 'entries that name the patient p-1001', 'twin: an opened one does')
  t.notMatch(closed?.get('index.csv')?.toString(), 'Check-up')
  t.match(open?.get('index.csv')?.toString(), /access decided,staff lee,,p-1001,read,,treatment_record,tr-1,TREAT,permit,.*,Check-up,/)
  t.ok([...(open?.keys() ?? [])].some((name) => name.startsWith('opened-not-proven/')))

  const receipts = [...(closed?.keys() ?? [])].filter((name) => name.endsWith('.tlog-proof'))
  t.ok(receipts.length >= 2)
  const script = documentedFiles(path.join(docs, 'reference/evidence-bundle.md')).get('check.py')
  t.ok(script)
  if (!(await hasPython())) return t.comment('no python3 here: the documented check was not run')
  await writeFile(path.join(directory, 'check.py'), script as string)
  for (const receipt of receipts) {
    const [entry, proof] = [path.join(directory, 'entry.json'), path.join(directory, 'entry.tlog-proof')]
    const bytes = closed?.get(receipt.replace('proofs/', 'entries/').replace('.tlog-proof', '.json')) as Buffer
    await writeFile(proof, closed?.get(receipt) as Buffer)
    await writeFile(entry, bytes)
    t.match(
      (await run('python3', [path.join(directory, 'check.py'), entry, proof])).stdout,
      /^proven by the checkpoint of size \d+ of chartwarden/,
    )
    await writeFile(entry, Buffer.concat([bytes.subarray(0, -1), Buffer.from(' ')]))
    await t.rejects(
      run('python3', [path.join(directory, 'check.py'), entry, proof]),
      /not the one that was signed/,
      'twin: one byte changed',
    )
  }
})
