/** A value as JSON has it, with 64-bit numbers as text: for comparing messages member by member. */
export const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? String(member) : member)))
