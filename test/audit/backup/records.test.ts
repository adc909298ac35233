import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { ClinicRecord, EntryRecord, KeyRecord, LogRecord } from '../../../services/audit/backup/backup-format.ts'
import { clinicCodec, entryCodec, keyCodec, logCodec, parseRecords, type RecordCodec } from '../../../services/audit/backup/records.ts'
import { backupFault } from '../../support/backups.ts'

const text = fc.string({ unit: 'grapheme', minLength: 1 })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array))
const any = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((array) => Buffer.from(array))
const written = fc.oneof(
  any,
  text.map((value) => Buffer.from(value, 'utf8')),
)
const whole = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })
const time = fc
  .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString().replace('Z', '123Z'))
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

const entry: fc.Arbitrary<EntryRecord> = fc.record({
  position: whole,
  clinic: text,
  revision: whole,
  recordedAt: fc.nat(),
  id: fc.uuid(),
  type: text,
  stateChanging: fc.boolean(),
  requestDigest: bytes(32),
  bytes: written,
})

const key: fc.Arbitrary<KeyRecord> = fc.oneof(
  fc.record({ kind: fc.constant('clinic_keys' as const), clinic: text, pseudonymKey: any, digestKey: any, createdAt: time }),
  fc.record({
    kind: fc.constant('identity_key' as const),
    clinic: text,
    pseudonym: text,
    wrappedKey: optional(any),
    commitment: text,
    createdAt: time,
    destroyedAt: optional(time),
  }),
  fc.record({
    kind: fc.constant('log_key' as const),
    clinic: text,
    id: fc.uuid(),
    wrappedKey: any,
    publicKey: bytes(32),
    createdAt: time,
  }),
  fc.record({
    kind: fc.constant('log_key_activation' as const),
    clinic: text,
    id: fc.uuid(),
    ordinal: fc.bigInt({ min: -1n, max: 2n ** 62n }),
    retireOthersAt: optional(time),
  }),
)

const place = { clinic: text, generation: fc.integer({ min: 1 }), size: whole }
const log: fc.Arbitrary<LogRecord> = fc.oneof(
  fc.record({ kind: fc.constant('sealer' as const), installation: fc.uuid(), epoch: whole, handedOutAt: optional(time) }),
  fc.record({ kind: fc.constant('log' as const), ...place, origin: text, halted: optional(text) }),
  fc.record({ kind: fc.constant('checkpoint' as const), ...place, root: bytes(32), note: text, publishedAt: time }),
  fc.record({ kind: fc.constant('cosignature' as const), ...place, witness: text, line: text, addedAt: time }),
)

const clinic: fc.Arbitrary<ClinicRecord> = fc.record({
  clinic: text,
  size: whole,
  stateRevision: fc.bigInt({ min: -1n, max: 2n ** 62n }),
  root: bytes(32),
  edge: fc.array(any),
})

const roundTrip = <T extends object>(codec: RecordCodec<T>, arbitrary: fc.Arbitrary<T>) =>
  fc.property(fc.array(arbitrary, { minLength: 1, maxLength: 5 }), (records) => {
    const lines = records.map((record) => codec.format(record))
    if (lines.some((line) => line.includes('\n'))) return false
    const parsed = parseRecords(Buffer.from(`${lines.join('\n')}\n`, 'utf8'), codec, 'segment')
    // What is made up for a test has no prototype.
    return isDeepStrictEqual(
      parsed,
      records.map((record) => ({ ...record })),
    )
  })

t.test('every record is read as it was written', async (t) => {
  fc.assert(roundTrip(entryCodec, entry))
  fc.assert(roundTrip(keyCodec, key))
  fc.assert(roundTrip(logCodec, log))
  fc.assert(roundTrip(clinicCodec, clinic))
  t.pass('all of them')
})

t.test('an entry of bytes that are no text comes back as those bytes', async (t) => {
  const [sample] = fc.sample(entry, { numRuns: 1, seed: 1 })
  for (const content of [Buffer.from([0xff, 0xfe]), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xef, 0xbb, 0xbf, 0x7b])]) {
    const record = { ...(sample as EntryRecord), bytes: content }
    const [read] = parseRecords(Buffer.from(`${entryCodec.format(record)}\n`), entryCodec, 'segment')
    t.ok(read?.bytes.equals(content))
  }
})

t.test('a line that is no record is refused, and so is a content without an end', async (t) => {
  for (const content of ['\n', '{}\n', '{"position":1}\n', 'null\n', '[]\n', '{"kind":"other","clinic":"north"}\n', 'nonsense\n']) {
    for (const codec of [entryCodec, keyCodec, logCodec, clinicCodec] as readonly RecordCodec<unknown>[]) {
      t.equal(await backupFault(() => parseRecords(Buffer.from(content), codec, 'segment')), 'content', JSON.stringify(content))
    }
  }
  const [record] = fc.sample(clinic, { numRuns: 1, seed: 1 })
  const line = clinicCodec.format(record as ClinicRecord)
  t.equal(await backupFault(() => parseRecords(Buffer.from(line), clinicCodec, 'segment')), 'content')
})
