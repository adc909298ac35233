import { createHash } from 'node:crypto'

/** How an entry names a recipient of keys: SHA-256, base64url. */
export const recipientDigest = (recipient: string): string => createHash('sha256').update(recipient, 'utf8').digest('base64url')
