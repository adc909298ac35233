/**
 * Backups in a bucket of Amazon S3 or of a store that speaks its protocol, by the vendor's library: credentials, regions, signatures and
 * retries are its own. A write is conditional (`If-None-Match: *`), which the store must know: one that ignores it would write over.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import type { BackupTarget } from '../../kernel/backup-settings.ts'
import { pause } from '../../kernel/pause.ts'
import { type BackupStore, objectName } from './backup-store.ts'

export type S3BackupStoreOptions = Omit<Extract<BackupTarget, { kind: 's3' }>, 'kind'>

/** Milliseconds: to connect, and without a word on a connection. */
const timeouts = { connectionTimeout: 5_000, socketTimeout: 60_000 }

/** Conditional writes at the same time may be told to try again. */
const conflictAttempts = 5

const statusOf = (thrown: unknown): number | undefined =>
  thrown instanceof S3ServiceException ? thrown.$metadata.httpStatusCode : undefined

export const createS3BackupStore = ({ bucket, prefix, endpoint }: S3BackupStoreOptions): BackupStore => {
  const client = new S3Client({
    requestHandler: timeouts,
    // A store that is not Amazon's has no host name for each bucket.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
  })
  const keyOf = (name: string): string => {
    if (!objectName.test(name)) throw new RangeError('not a name of an object')
    return `${prefix}${name}`
  }

  return {
    where: `s3://${bucket}/${prefix}`,
    list: async (start) => {
      const names: string[] = []
      let token: string | undefined
      do {
        const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}${start}`, ContinuationToken: token }))
        for (const { Key } of page.Contents ?? []) {
          const name = Key?.slice(prefix.length)
          if (name !== undefined && objectName.test(name)) names.push(name)
        }
        token = page.NextContinuationToken
      } while (token !== undefined)
      return names.sort()
    },
    read: async (name) => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: keyOf(name) }))
        return Buffer.from((await Body?.transformToByteArray()) ?? [])
      } catch (thrown) {
        if (thrown instanceof NoSuchKey) return undefined
        throw thrown
      }
    },
    write: async (name, bytes) => {
      const object = { Bucket: bucket, Key: keyOf(name), Body: bytes, ContentLength: bytes.length, IfNoneMatch: '*' }
      for (let attempt = 1; ; attempt += 1) {
        try {
          await client.send(new PutObjectCommand(object))
          return 'written'
        } catch (thrown) {
          const status = statusOf(thrown)
          if (status === 412) return 'exists'
          if (status !== 409 || attempt === conflictAttempts) throw thrown
          await pause(attempt * 200, new AbortController().signal)
        }
      }
    },
    remove: async (name) => {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: keyOf(name) }))
    },
  }
}
