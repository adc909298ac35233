import type { FieldViolation } from '../../kernel/errors.ts'
import type { Actor } from '../events.ts'
import type { PlannedEvent, RotateLogKey } from './commands.ts'
import { timeText, timeViolations } from './times.ts'

/** Whoever reads checkpoints needs time to learn of the new key before the old ones fall silent. */
const leastOverlapMs = 60_000
const usualOverlapMs = 30 * 24 * 60 * 60 * 1000

export const rotationViolations = ({ retireAt }: RotateLogKey, now: number): readonly FieldViolation[] => {
  if (retireAt === undefined) return []
  const range = timeViolations('retire_at', retireAt)
  if (range.length > 0 || retireAt >= now + leastOverlapMs) return range
  return [{ field: 'retire_at', description: 'must be at least a minute ahead' }]
}

/** The keys themselves are named once the change is permitted (doors/grpc-log-keys.ts). */
export const rotateLogKey = ({ retireAt }: RotateLogKey, actor: Actor, now: number): PlannedEvent => ({
  type: 'chartwarden.log.keyadded.v1',
  data: { actor, verifier_key: '', retiring: [], retire_at: timeText(retireAt ?? now + usualOverlapMs) },
})
