/** Checking a file: an evidence bundle, or one receipt with its entry. */
import { open } from 'node:fs/promises'
import { maxEntryBytes } from '../../services/audit/ledger.ts'
import { BundleError } from '../../services/audit/log/bundle/bundle.ts'
import { openBundle } from '../../services/audit/log/bundle/open-bundle.ts'
import { readableItems } from '../../services/audit/log/bundle/readable-items.ts'
import { exclusion } from '../../services/audit/log/verify/exclusions.ts'
import { readCheckpoint, readReceipt } from '../../services/audit/log/verify/kept.ts'
import type { LedgerReport } from '../../services/audit/log/verify/report.ts'
import { bundleSource } from '../../services/audit/log/verify/sources/bundle.ts'
import { verifyLedger } from '../../services/audit/log/verify/verify-ledger.ts'
import { type SelectedEntry, verifySelection } from '../../services/audit/log/verify/verify-selection.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { errorCode } from '../../services/kernel/postgres/error-code.ts'
import type { Session } from '../session.ts'
import { anchorsOf, type GivenAnchors, readBounded, readNoteFile, requireClinicOf } from './read-anchors.ts'
import { trackProgress } from './track-progress.ts'

export interface VerifyFileOptions {
  readonly path: string
  readonly anchors: GivenAnchors
  /** File of the entry that a receipt is of. */
  readonly entry: string | undefined
}

const invalid = (message: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', cause === undefined ? { message } : { message, cause })

/** A line of `ledger read`: its `canonical` is the text of the entry's bytes. No entry has such a member itself. */
const canonicalOf = (bytes: Buffer): Buffer | undefined => {
  try {
    const { canonical } = JSON.parse(bytes.toString('utf8')) as { readonly canonical?: unknown }
    return typeof canonical === 'string' ? Buffer.from(canonical, 'utf8') : undefined
  } catch {
    return undefined
  }
}

/** A line of `ledger read` is longer than its entry: what is quoted in it is quoted again. */
const mostEntryFileBytes = 16 * maxEntryBytes

/** The exact bytes; an editor's or a shell's line feed at the end is not part of them. */
const entryFile = async (path: string): Promise<Buffer> => {
  const read = await readBounded(path, mostEntryFileBytes)
  const bytes = read.at(-1) === 0x0a ? read.subarray(0, -1) : read
  return canonicalOf(bytes) ?? bytes
}

const verifyReceipt = async ({ path, anchors: given, entry }: VerifyFileOptions): Promise<LedgerReport> => {
  const text = await readNoteFile(path)
  const receipt = readReceipt(text, `the receipt in ${path}`)
  if (receipt === undefined) throw invalid(`The file ${path} is not a receipt (C2SP tlog-proof).`)
  const { checkpoint, index } = receipt
  const { clinic } = checkpoint
  if (clinic === undefined) throw invalid(`The receipt in ${path} is of ${checkpoint.origin}, which is not the log of a clinic.`)
  requireClinicOf(clinic, given)
  const anchors = anchorsOf(given, clinic)
  const bytes = entry === undefined ? undefined : await entryFile(entry)
  const entries = async function* (): AsyncGenerator<SelectedEntry> {
    if (bytes !== undefined) yield { revision: index, bytes, receipt: text }
  }
  const report = await verifySelection({
    clinic,
    checkpoint: checkpoint.note,
    verifierKeys: [],
    entries: entries(),
    anchors,
    mayLeaveOut: false,
  })
  return bytes === undefined && report.outcome === 'unchecked'
    ? { ...report, reason: 'A receipt says nothing without its entry: give the file of its exact bytes with --entry.' }
    : report
}

/** `problem`: what was wrong with the file, besides what its entries and receipts showed. */
const withDamage = (report: LedgerReport, problem: string | undefined): LedgerReport => {
  if (problem === undefined) return report
  const { reason: _, ...rest } = report
  const range = { revision: 0n, lastRevision: report.size === 0n ? 0n : report.size - 1n }
  const detail = `In the file: ${problem}. Ask for it again from whoever gave it to you.`
  return { ...rest, outcome: 'damaged', faults: [...report.faults, { kind: 'file_changed', clinic: report.clinic, ...range, detail }] }
}

const verifyBundle = async (session: Session, { path, anchors: given }: VerifyFileOptions): Promise<LedgerReport> => {
  const bundle = await openBundle(path)
  const { manifest, checkpoint, verifierKeys } = bundle
  const { clinic } = manifest
  const { onProgress, stop } = trackProgress(session, `Entries of ${clinic}`, manifest.whole ? BigInt(manifest.size) : 0n)
  let damage: string | undefined
  const onDamage = (problem: string): void => {
    damage ??= problem
  }
  try {
    requireClinicOf(clinic, given)
    const anchors = anchorsOf(given, clinic)
    if (manifest.whole) {
      const source = bundleSource({ open: openBundle, path, clinic, checkpoint, size: BigInt(manifest.size), verifierKeys, onDamage })
      return withDamage(await verifyLedger({ source, anchors, onProgress }), damage)
    }
    let opened = false
    const entries = async function* (): AsyncGenerator<SelectedEntry> {
      for await (const item of readableItems(bundle, onDamage)) {
        if (item.kind === 'entry') yield item.entry
        if (item.kind === 'opened') opened = true
      }
    }
    const report = await verifySelection({ clinic, checkpoint, verifierKeys, entries: entries(), anchors, mayLeaveOut: true, onProgress })
    return withDamage(opened ? { ...report, notExcluded: [...report.notExcluded, exclusion('opened_parts')] } : report, damage)
  } finally {
    stop()
    await bundle.close()
  }
}

const firstBytes = async (path: string): Promise<Buffer> => {
  try {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw errorCode(cause) === 'EISDIR'
      ? invalid(`${path} is a folder: give the evidence bundle itself, the .zip as it was exported.`)
      : invalid(`The file ${path} cannot be read.`, cause)
  }
}

const zipSignature = Buffer.from('PK\x03\x04', 'latin1')

/** Throws INVALID_ARGUMENT for a file that is neither. What is wrong with one that is stands in the report. */
export const verifyFile = async (session: Session, options: VerifyFileOptions): Promise<LedgerReport> => {
  const { path } = options
  try {
    const start = await firstBytes(path)
    if (start.subarray(0, zipSignature.length).equals(zipSignature)) return await verifyBundle(session, options)
    if (start.toString('latin1').startsWith('c2sp.org/tlog-proof@')) return await verifyReceipt(options)
  } catch (thrown) {
    if (thrown instanceof BundleError && thrown.changed) {
      throw new ChartwardenError('LOG_DAMAGED', { message: `The file ${path} was changed: ${thrown.problem}.`, cause: thrown })
    }
    if (thrown instanceof BundleError) throw invalid(`The file ${path} cannot be used: ${thrown.problem}.`, thrown)
    throw thrown
  }
  if (readCheckpoint(await readNoteFile(path).catch(() => ''), '') !== undefined) {
    throw invalid(`The file ${path} is a checkpoint: say what to check with it, and give it with --trusted-checkpoint.`)
  }
  throw invalid(`The file ${path} is neither an evidence bundle nor a receipt.`)
}
