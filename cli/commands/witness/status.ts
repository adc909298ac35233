import { Command } from 'commander'
import { formatVerifierKey } from '../../../services/audit/log/note.ts'
import { originHash, type WitnessRecord } from '../../../services/audit/log/witness/witness-records.ts'
import { StartError } from '../../../services/kernel/start-error.ts'
import { table } from '../../output/table.ts'
import type { Act } from '../../program.ts'
import { recordJson, secondsText } from './describe.ts'

interface StatusOptions {
  readonly stateDir: string
  readonly checkpoint?: string
}

const knownLogs = (records: readonly WitnessRecord[]): string =>
  records.length === 0 ? 'It has cosigned nothing yet.' : `It knows: ${records.map(({ origin }) => origin).join(', ')}.`

export const witnessStatusCommand = (act: Act): Command =>
  new Command('status')
    .description('What a witness has cosigned last, log by log, and whether it holds the proof of a fork. It may be running.')
    .requiredOption('--state-dir <directory>', "the witness's directory")
    .option('--checkpoint <log>', 'print only the newest checkpoint of this log, to keep it or to verify the ledger against it')
    .action(
      act(async (session, command) => {
        const { stateDir, checkpoint } = command.opts<StatusOptions>()
        const { readWitnessStatus } = await import('../../../services/audit/log/witness/run-witness.ts')
        const { key, records, forks } = await readWitnessStatus(stateDir)
        if (checkpoint !== undefined) {
          const record = records.find(({ origin }) => origin === checkpoint)
          if (record === undefined) throw new StartError(`The witness has cosigned nothing for ${checkpoint}. ${knownLogs(records)}`)
          await session.print(record.note)
          return 'ok'
        }
        const verifierKey = formatVerifierKey(key.verifierKey)
        if (session.json) {
          const logs = records.map((record) => recordJson(record, forks))
          await session.print(`${JSON.stringify({ name: key.name, verifier_key: verifierKey, logs, forks: [...forks.values()] })}\n`)
        } else {
          const columns = [
            { name: 'log', value: ({ origin }: WitnessRecord) => origin },
            { name: 'entries', value: ({ head }: WitnessRecord) => String(head.size) },
            { name: 'cosigned', value: ({ cosignedAt }: WitnessRecord) => secondsText(cosignedAt) },
            { name: 'fork', value: ({ origin }: WitnessRecord) => forks.get(originHash(origin)) ?? 'none seen' },
          ]
          await session.print(`${verifierKey}\n${records.length === 0 ? 'Nothing was cosigned yet.\n' : table(columns, records)}`)
        }
        return forks.size === 0 ? 'ok' : 'damaged'
      }),
    )
