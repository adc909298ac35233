/** An export as it comes from the service, into one file: put in its place only once it was read again and proves what is in it. */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import type { ExportEntriesResponse, ExportedEntry, ExportHead } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { BundleError, type BundleManifest, type BundleSelection } from '../../../services/audit/log/bundle/bundle.ts'
import { checkedItems, createTileFollower } from '../../../services/audit/log/bundle/checked-items.ts'
import { openBundle } from '../../../services/audit/log/bundle/open-bundle.ts'
import { fileSpool } from '../../../services/audit/log/bundle/spool.ts'
import { type BundleWriter, createBundleWriter } from '../../../services/audit/log/bundle/write-bundle.ts'
import { parseCheckpoint } from '../../../services/audit/log/checkpoint.ts'
import { parseNote } from '../../../services/audit/log/note.ts'
import { formatTlogProof } from '../../../services/audit/log/tlog-proof.ts'
import { canonicalJson, type JsonValue } from '../../../services/kernel/canonical-json.ts'
import { ChartwardenError } from '../../../services/kernel/errors.ts'
import { createOutputFile, type OutputFile } from '../../output/output-file.ts'
import type { Progress } from '../../output/progress.ts'

export interface ExportPlan {
  readonly clinic: string
  readonly selection: BundleSelection
  /** Whether opened parts are kept that the service sends because the token lets it. */
  readonly unseal: boolean
  readonly output: string
  /** Keeps files of two commands apart. */
  readonly unique: string
  readonly progress: (title: string, total?: number) => Progress
}

export interface Exported {
  readonly manifest: BundleManifest
  readonly entries: bigint
  readonly keys: boolean
  readonly bytes: number
}

const incomplete = (why: string): ChartwardenError =>
  new ChartwardenError('INTERNAL', { message: `The export ${why}; nothing was written. Run the same command again.` })

/** Whom was asked for by the pseudonym, unless names are opened: a closed file names nobody. */
const shownSelection = ({ selection, unseal }: ExportPlan, { patientPseudonym, subjectPseudonym }: ExportHead): BundleSelection => {
  const { patient, subject } = selection
  if (unseal) return selection
  return {
    ...selection,
    ...(patient === undefined ? {} : { patient: patientPseudonym }),
    ...(subject === undefined ? {} : { subject: { type: subject.type, id: subjectPseudonym } }),
  }
}

const manifestOf = (plan: ExportPlan, sent: ExportHead, note: string): BundleManifest => {
  const { clinic } = plan
  const { whole } = sent
  const selection = shownSelection(plan, sent)
  const parsed = parseNote(note)
  const head = parsed === undefined ? undefined : parseCheckpoint(parsed.text)
  if (head === undefined) throw incomplete('has no checkpoint')
  const { origin, size, root } = head
  const format = 'chartwarden evidence bundle v1'
  return { format, clinic, origin, size: String(size), root: root.toString('base64'), whole, selection }
}

/** What was opened of an entry, if anything. */
const openedOf = ({ entry, names }: ExportedEntry): string | undefined => {
  const shown = entry === undefined || entry.private.length === 0 ? undefined : Buffer.from(entry.private).toString('utf8')
  if (shown === undefined && names.length === 0) return undefined
  const people = Object.fromEntries(names.map(({ pseudonym, type, id }) => [pseudonym, { type, id }]))
  return canonicalJson({
    ...(shown === undefined ? {} : { private: JSON.parse(shown) as JsonValue }),
    ...(names.length === 0 ? {} : { names: people }),
  })
}

interface Writing {
  readonly writer: BundleWriter
  readonly manifest: BundleManifest
  readonly checkpoint: string
  readonly follower: ReturnType<typeof createTileFollower>
  readonly progress: Progress
}

const begin = async (plan: ExportPlan, head: ExportHead, file: OutputFile): Promise<Writing> => {
  const checkpoint = head.checkpoint?.note ?? ''
  const manifest = manifestOf(plan, head, checkpoint)
  let spools = 0
  const spoolName = (): string => {
    spools += 1
    return `${path.resolve(plan.output)}.${plan.unique}-${spools}.partial`
  }
  const writer = await createBundleWriter({
    manifest,
    checkpoint,
    verifierKeys: head.verifierKeys,
    sink: {
      write: async (bytes) => {
        if (!file.stream.write(bytes)) await once(file.stream, 'drain')
      },
    },
    openSpool: () => fileSpool(spoolName(), (name) => rm(name, { force: true })),
  })
  const size = BigInt(manifest.size)
  const progress = plan.progress('Entries', head.whole ? Number(size) : undefined)
  return { writer, manifest, checkpoint, follower: createTileFollower(size), progress }
}

const addEntry = async ({ writer, manifest, checkpoint, follower }: Writing, exported: ExportedEntry, unseal: boolean): Promise<void> => {
  const { entry, hashes } = exported
  if (entry === undefined) throw incomplete('holds an empty entry')
  const { revision } = entry
  const bytes = Buffer.from(entry.canonical)
  const receipt = manifest.whole
    ? undefined
    : formatTlogProof({ index: revision, hashes: hashes.map((hash) => Buffer.from(hash)), checkpoint })
  await writer.add({ kind: 'entry', entry: { revision, bytes, receipt } })
  const opened = unseal ? openedOf(exported) : undefined
  if (opened !== undefined) await writer.add({ kind: 'opened', part: { revision, value: opened } })
  if (manifest.whole) for (const tile of follower.append(bytes)) await writer.add({ kind: 'tile', tile })
}

/** Reads what was written to the end, as somebody would who was given it. */
const check = async (written: string, entries: bigint, progress: Progress): Promise<void> => {
  const bundle = await openBundle(written)
  try {
    let found = 0n
    for await (const item of checkedItems(bundle)) {
      if (item.kind !== 'entry') continue
      found += 1n
      progress.advance(1)
    }
    if (found !== entries) throw new BundleError(`${found} of ${entries} entries are in it`)
  } finally {
    progress.stop()
    await bundle.close()
  }
}

/** Writes the file, or throws and leaves nothing. Undefined: there is no entry to write, and no file was. */
export const writeExport = async (plan: ExportPlan, stream: AsyncIterable<ExportEntriesResponse>): Promise<Exported | undefined> => {
  const file = await createOutputFile(plan.output, plan.unique)
  let writing: Writing | undefined
  let entries = 0n
  let keys = false
  let ended: bigint | undefined
  try {
    for await (const { item } of stream) {
      if (item.case === 'head') writing = await begin(plan, item.value, file)
      else if (writing === undefined) throw incomplete('began without a head')
      else if (item.case === 'entry') {
        await addEntry(writing, item.value, plan.unseal)
        entries += 1n
        writing.progress.advance(1)
      } else if (item.case === 'keys') {
        keys = true
        await writing.writer.add({ kind: 'keys', bytes: Buffer.from(item.value) })
      } else if (item.case === 'end') ended = item.value.items
    }
    writing?.progress.stop()
    if (writing === undefined || ended !== entries) throw incomplete('was cut')
    if (entries === 0n) {
      await file.abandon()
      return undefined
    }
    const bytes = await writing.writer.end()
    await file.commit((written) => check(written, entries, plan.progress('Checked', Number(entries))))
    return { manifest: writing.manifest, entries, keys, bytes }
  } catch (thrown) {
    await file.abandon()
    throw thrown instanceof BundleError ? incomplete(`does not prove what is in it (${thrown.problem})`) : thrown
  } finally {
    writing?.progress.stop()
    await writing?.writer.close()
  }
}
