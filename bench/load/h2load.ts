import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { readLatencies, readSummary } from '../measure/h2load-output.ts'
import { type Measured, measuredOf } from '../measure/statistics.ts'

const run = promisify(execFile)

export interface H2loadTarget {
  /** host:port, without TLS. */
  readonly address: string
  /** Path of the gRPC method. */
  readonly path: string
  /** The one message that is sent each time. */
  readonly message: Uint8Array
  readonly token?: string
  /** Length of each answer's message where all are of one; a refusal has none, under the same HTTP status 200. */
  readonly answerBytes?: number
}

export interface H2loadRun {
  readonly connections: number
  /** On each connection. */
  readonly inFlight: number
  readonly requests: number
}

export interface H2loadResult extends Measured {
  readonly answered: number
}

/** The version, or undefined when it is not installed. */
export const h2loadVersion = async (): Promise<string | undefined> => {
  try {
    return (await run('h2load', ['--version'])).stdout.trim()
  } catch {
    return undefined
  }
}

/** Of a gRPC message: not compressed, and its length in four bytes. */
const prefixBytes = 5

const frameOf = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

export interface H2load {
  /** Sends exactly that many requests and waits for the answer to each. Throws unless all had one, and of the length that was expected. */
  run(target: H2loadTarget, wanted: H2loadRun): Promise<H2loadResult>
}

/** `directory` takes the message and the log of a run. */
export const createH2load = (directory: string): H2load => {
  const frameFile = path.join(directory, 'message.grpc')
  const logFile = path.join(directory, 'h2load.log')
  return {
    run: async ({ address, path: method, message, token, answerBytes }, { connections, inFlight, requests }) => {
      await writeFile(frameFile, frameOf(message))
      await rm(logFile, { force: true })
      const headers = ['content-type: application/grpc', 'te: trailers', ...(token === undefined ? [] : [`authorization: Bearer ${token}`])]
      const { stdout } = await run('h2load', [
        ...['-n', String(requests), '-c', String(connections), '-m', String(inFlight), '-t', '1'],
        ...['-d', frameFile, `--log-file=${logFile}`, ...headers.flatMap((header) => ['-H', header])],
        `http://${address}${method}`,
      ]).catch(({ code, stderr }) => {
        // Not the error itself: it names the command, and with it the token.
        throw new Error(`h2load ended with ${code}: ${stderr}`)
      })
      const { succeeded, seconds, dataBytes } = readSummary(stdout)
      const latencies = readLatencies(await readFile(logFile, 'utf8'))
      if (succeeded !== requests || latencies.length !== requests) {
        throw new Error(`of ${requests} requests to ${method}, ${succeeded} succeeded and ${latencies.length} were logged`)
      }
      if (answerBytes !== undefined && dataBytes !== requests * (prefixBytes + answerBytes)) {
        throw new Error(`${method} gave ${dataBytes} bytes to ${requests} requests, and each answer has ${answerBytes}`)
      }
      return { ...measuredOf(requests, seconds, latencies), answered: requests }
    },
  }
}
