import { ChartwardenError } from '../services/kernel/errors.ts'

interface PageOf<Row> {
  readonly rows: readonly Row[]
  readonly nextPageToken: string
}

/** Times that a list is begun anew because the clinic changed under it. */
const maxBeginnings = 10

/**
 * Every row of a list whose pages are of one state, with its first page. Begins anew when the clinic changed meanwhile, so that nothing of
 * an older state is among them; throws PAGE_OUTDATED when that happens again and again.
 */
export const everyPageOfOneState = async <Row, Page extends PageOf<Row>>(
  fetch: (pageToken: string) => Promise<Page>,
): Promise<{ readonly rows: readonly Row[]; readonly first: Page }> => {
  for (let beginning = 1; ; beginning += 1) {
    try {
      const first = await fetch('')
      const rows = [...first.rows]
      let { nextPageToken } = first
      while (nextPageToken !== '') {
        const page = await fetch(nextPageToken)
        rows.push(...page.rows)
        nextPageToken = page.nextPageToken
      }
      return { rows, first }
    } catch (thrown) {
      if (!(thrown instanceof ChartwardenError) || thrown.reason !== 'PAGE_OUTDATED' || beginning >= maxBeginnings) throw thrown
    }
  }
}
