/** What came out of a check, for people. Everything that comes from files and databases is made safe for a terminal. */
import { formatVerifierKey } from '../../services/audit/log/note.ts'
import { type Fault, faultKinds } from '../../services/audit/log/verify/fault.ts'
import { givenUpWords } from '../../services/audit/log/verify/given-up.ts'
import type { AnchorReport, LedgerReport, ReceiptReport } from '../../services/audit/log/verify/report.ts'
import type { Signed } from '../../services/audit/log/verify/signers.ts'
import { count } from '../output/describe.ts'
import { printable } from '../output/printable.ts'

const number = (value: bigint): string => value.toLocaleString('en-US')

const signedText = (signed: Signed): string => {
  const keys = 'keys' in signed ? signed.keys.map(formatVerifierKey).join(', ') : ''
  switch (signed.kind) {
    case 'trusted':
      return `signed with a key that you trust: ${keys}`
    case 'shown':
      return `signed with a key learnt from what was checked: ${keys}`
    case 'unknown':
      return 'signed with no key that is known here'
    case 'bad':
      return 'with a signature that does not hold'
    case 'unchecked':
      return 'its signature was not checked, since no key is known'
  }
}

const verdictText = ({ verdict }: AnchorReport): string =>
  verdict === 'agrees'
    ? 'It fits.'
    : verdict === 'differs'
      ? 'It does NOT fit.'
      : verdict === 'beyond'
        ? 'It covers MORE than is there.'
        : 'It was not compared.'

const anchorLines = (anchor: AnchorReport): readonly string[] => {
  const { label, size, outside, signed, cosigners, quorum } = anchor
  const of = outside ? `${label}, given by you` : label
  return [
    `  - ${of}: ${number(size)} entries, ${signedText(signed)}. ${verdictText(anchor)}`,
    ...cosigners.map(({ name, time }) => `      cosigned by ${name} at ${time}`),
    ...(quorum ? ['      That satisfies the policy.'] : []),
  ]
}

const verdictsOfMany = {
  agrees: 'fitting too',
  differs: 'NOT fitting either',
  beyond: 'covering MORE than is there',
} as const

/** Of many published checkpoints the newest is shown, and of those behind it the newest of each outcome; the rest of them is counted. */
const shownAnchors = (anchors: readonly AnchorReport[]): readonly string[] => {
  const newest = anchors.find(({ outside }) => !outside)
  const outcomes = new Set<string>()
  const isRest = (anchor: AnchorReport): boolean => {
    const { outside, verdict, signed, cosigners } = anchor
    if (outside || verdict === undefined || cosigners.length > 0) return false
    const outcome = `${verdict} ${signed.kind}`
    const first = !outcomes.has(outcome) && !(anchor !== newest && verdict === 'agrees')
    outcomes.add(outcome)
    return !first && anchor !== newest
  }
  const rest = anchors.filter(isRest)
  const counted = (['agrees', 'differs', 'beyond'] as const).flatMap((verdict) => {
    const many = rest.filter((anchor) => anchor.verdict === verdict).length
    return many === 0
      ? []
      : [`  - ${count(many, 'older published checkpoint', 'older published checkpoints')}: ${verdictsOfMany[verdict]}.`]
  })
  return [...anchors.filter((anchor) => !rest.includes(anchor)).flatMap(anchorLines), ...counted]
}

const receiptLine = ({ label, revision, size, proven }: ReceiptReport): string =>
  `  - ${label}: the entry of revision ${revision} is ${proven ? 'proven to be' : 'NOT proven to be'} in the tree of ${number(size)} entries.`

/** `revision 5` or `revisions 5 to 9`. */
const rangeText = ({ revision, lastRevision }: Pick<Fault, 'revision' | 'lastRevision'>): string =>
  revision === lastRevision ? `revision ${revision}` : `revisions ${revision} to ${lastRevision}`

/** A line for what is wrong and one for how it shows. */
export const faultLines = ({ kind, clinic, time, detail, ...range }: Fault): readonly string[] => [
  `  - ${kind}: ${clinic}, ${rangeText(range)}${time === undefined ? '' : `, ${time}`}: ${faultKinds[kind]}`,
  `      ${detail}`,
]

const headline = ({ outcome, clinic, faults, moreFaults, reason }: LedgerReport): string => {
  if (outcome === 'verified') return `${clinic}: verified.`
  if (outcome === 'damaged') return `${clinic}: DAMAGED: ${moreFaults ? 'more than ' : ''}${count(faults.length, 'fault', 'faults')}.`
  return `${clinic}: not checked. ${reason ?? ''}`
}

const section = (title: string, lines: readonly string[]): readonly string[] => (lines.length === 0 ? [] : [title, ...lines])

const runText = ({ from, to }: { readonly from: bigint; readonly to: bigint }): string => (from === to ? `${from}` : `${from} to ${to}`)

/** Lines for one ledger, or the part of it that was checked. */
export const reportText = (report: LedgerReport): string => {
  const {
    entries,
    size,
    root,
    firstTime,
    lastTime,
    anchors,
    receipts,
    faults,
    notExcluded,
    moreFaults,
    restarts = [],
    halted,
    revisions = [],
    moreRevisions,
  } = report
  const period = firstTime === undefined ? '' : `, from ${firstTime} to ${lastTime ?? '?'}`
  const whole = root !== undefined && entries > 0n ? ` (revisions 0 to ${size - 1n})` : ''
  const some = [...revisions.slice(0, 12).map(runText), ...(moreRevisions || revisions.length > 12 ? ['and more'] : [])].join(', ')
  const read = some === '' ? whole : ` (${entries === 1n ? 'revision' : 'revisions'} ${some})`
  const lines = [
    headline(report),
    `  Read: ${entries === 1n ? '1 entry' : `${number(entries)} entries`}${read}${period}.`,
    ...(halted === undefined ? [] : [`  The log is HALTED (${halted}): nothing more is signed. See docs/how-to/mend-a-log.md.`]),
    ...restarts.map((restart) => `  ${givenUpWords(restart)}`),
    ...section('  Compared with:', shownAnchors(anchors)),
    ...section('  Receipts:', receipts.map(receiptLine)),
    ...section('  Faults:', [...faults.flatMap(faultLines), ...(moreFaults ? ['  - and more than these.'] : [])]),
    ...section(
      '  Not excluded by this check:',
      notExcluded.map(({ text }) => `  - ${text}`),
    ),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

/** The same as data; whole numbers as text, since they may be larger than JSON's readers take. */
export const reportJson = (report: LedgerReport): unknown => ({
  ...report,
  anchors: report.anchors.map(({ signed, ...anchor }) => ({
    ...anchor,
    signed: signed.kind,
    keys: 'keys' in signed ? signed.keys.map(formatVerifierKey) : [],
  })),
})

export const jsonText = (value: unknown): string =>
  `${JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? String(member) : member))}\n`
