import { type FileHandle, open } from 'node:fs/promises'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { ndjsonLines } from './ndjson-lines.ts'

const unusable = (message: string, cause?: unknown): ChartwardenError =>
  new ChartwardenError('INVALID_ARGUMENT', { message, ...(cause === undefined ? {} : { cause }) })

export interface EventFile {
  readonly bytes: number
  readonly handle: FileHandle
  /** Whether nobody has written to it since it was opened, as far as the file system says. */
  unchanged(): Promise<boolean>
  close(): Promise<void>
}

/** What a first line that is no event on one line shows the file to be. */
const otherForm = (text: string): string | undefined => {
  const start = text.trim()
  if (start.startsWith('[')) return 'is a JSON array. Write one event a line, for example: jq -c ".[]" file.json > events.ndjson'
  const bundle = /^\{\s*"resourceType"\s*:\s*"Bundle"/.test(start)
  if (bundle) return 'is a FHIR Bundle. Write one event a line, for example: jq -c ".entry[].resource" bundle.json > events.ndjson'
  if (start === '{')
    return 'is JSON over several lines. Write one event a line, for example: jq -c . file.json > events.ndjson (of a Bundle: jq -c ".entry[].resource")'
  return undefined
}

/** Opens a file of events, which is read twice. Throws INVALID_ARGUMENT for what is no NDJSON file at all. */
export const openEventFile = async (path: string): Promise<EventFile> => {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    throw unusable(`The file ${path} cannot be read.`, cause)
  }
  try {
    const opened = await handle.stat({ bigint: true })
    if (!opened.isFile()) throw unusable(`${path} is no regular file; events are read twice, so write them to one.`)
    let empty = true
    for await (const { text } of ndjsonLines(handle)) {
      empty = false
      const form = text === undefined ? undefined : otherForm(text)
      if (form !== undefined) throw unusable(`${path} ${form}`)
      break
    }
    if (empty) throw unusable(`The file ${path} holds no events.`)
    return {
      bytes: Number(opened.size),
      handle,
      unchanged: async () => {
        const now = await handle.stat({ bigint: true })
        return now.size === opened.size && now.mtimeNs === opened.mtimeNs
      },
      close: () => handle.close(),
    }
  } catch (thrown) {
    await handle.close()
    throw thrown
  }
}
