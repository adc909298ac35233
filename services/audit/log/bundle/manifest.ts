import { canonicalJson, type JsonValue } from '../../../kernel/canonical-json.ts'
import { BundleError, type BundleManifest, type BundleSelection } from './bundle.ts'

const format = 'chartwarden evidence bundle v1'

/** `manifest.json`. */
export const formatManifest = (manifest: BundleManifest): string => `${canonicalJson(manifest as unknown as JsonValue)}\n`

const isText = (value: unknown): value is string => typeof value === 'string'
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isAbsentOrText = (value: unknown): boolean => value === undefined || isText(value)

const isSelection = (value: unknown): value is BundleSelection => {
  if (!isRecord(value)) return false
  const { patient, subject, from, until } = value
  if (![patient, from, until].every(isAbsentOrText)) return false
  return subject === undefined || (isRecord(subject) && isText(subject.type) && isText(subject.id))
}

/** Throws BundleError for what is no manifest of this format. That nothing else stands in it shows when it is written again. */
export const parseManifest = (text: string): BundleManifest => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (!isRecord(value) || !isText(value.format)) throw new BundleError('manifest.json is no manifest of an evidence bundle')
  if (value.format !== format) {
    throw new BundleError(`this bundle is of another format (${JSON.stringify(value.format).slice(0, 80)}); a later release may read it`)
  }
  const { clinic, origin, size, root, whole, selection } = value
  if (![clinic, origin, size, root].every(isText) || typeof whole !== 'boolean' || !isSelection(selection)) {
    throw new BundleError('manifest.json lacks what a manifest says')
  }
  const { patient, subject, from, until } = selection
  return {
    format,
    clinic: clinic as string,
    origin: origin as string,
    size: size as string,
    root: root as string,
    whole,
    selection: {
      ...(patient === undefined ? {} : { patient }),
      ...(subject === undefined ? {} : { subject: { type: subject.type, id: subject.id } }),
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
    },
  }
}

/** What the exporter asked for, in words. */
export const selectionText = ({
  whole,
  selection: { patient, subject, from, until },
}: Pick<BundleManifest, 'whole' | 'selection'>): string => {
  if (whole) return 'the whole ledger up to the checkpoint'
  const parts = [
    patient === undefined ? undefined : `entries that name the patient ${patient}`,
    subject === undefined ? undefined : `entries that name ${subject.type} ${subject.id}`,
    from === undefined ? undefined : `from ${from} on`,
    until === undefined ? undefined : `before ${until}`,
  ]
  return parts.filter((part) => part !== undefined).join(', ')
}
