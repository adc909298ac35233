import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { Command } from 'commander'
import { RotateLogKeyResponseSchema } from '../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { type ChangeOptions, withChange } from '../../input/common-options.ts'
import { parseTime } from '../../input/parsers.ts'
import { entryText } from '../../output/describe.ts'
import { messageObject } from '../../output/message-json.ts'
import type { Act } from '../../program.ts'
import { change, clinicFields, needsOf, optional, underOptions } from '../../request.ts'

interface RotateOptions extends ChangeOptions {
  readonly retireAt?: Timestamp
}

export const rotateKeyCommand = (act: Act): Command =>
  withChange(
    new Command('rotate-key').description(
      'Sign the log of a clinic with a new key. The keys in use sign beside it until they retire, so that whoever holds one of them can go on.',
    ),
  )
    .option('--retire-at <time>', 'when the keys in use until now retire (default: in 30 days)', parseTime)
    .action(
      act(async (session, command) => {
        const options = command.opts<RotateOptions>()
        const { audit } = await session.connect(needsOf(options, 'ledger.operate'))
        const answer = await change(session, options, (requestId) =>
          underOptions({ retire_at: '--retire-at' }, () =>
            audit.rotateLogKey({ ...clinicFields(options), requestId, ...optional('retireAt', options.retireAt) }),
          ),
        )
        if (session.json) await session.print(`${JSON.stringify(messageObject(RotateLogKeyResponseSchema, answer))}\n`)
        else {
          const repeat = answer.replayed ? ' (a repeat)' : ''
          await session.print(
            `${answer.verifierKey}\nsigns the log of ${options.clinic} from now on${repeat}.\n  ${entryText(answer.entry)}\n`,
          )
        }
        return 'ok'
      }),
    )
