export const count = (value: number): string => Math.round(value).toLocaleString('en')

export const decimals = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)

export const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
