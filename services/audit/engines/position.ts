/** Positions of the engines that number entries over all ledgers, from 1 and without a gap: the decimal number of the entry. */
import { ChartwardenError } from '../../kernel/errors.ts'
import type { Position } from '../ledger.ts'

export const positionOf = (number: bigint): Position => String(number) as Position

/** The number of the entry at a position; 0 for the beginning. Throws INTERNAL for what this engine never gave out. */
export const numberOf = (position: Position | undefined): bigint => {
  if (position === undefined) return 0n
  if (!/^[1-9][0-9]{0,18}$/.test(position))
    throw new ChartwardenError('INTERNAL', { cause: new TypeError('not a position of this engine') })
  return BigInt(position)
}
