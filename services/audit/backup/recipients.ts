import { Encrypter } from 'age-encryption'
import { readAgeFile } from './age-file.ts'

/** Whom backups are encrypted to: age recipients, one a line, as `age-keygen -y` prints them. Throws StartError as `readAgeFile`. */
export const readRecipients = (file: string): Promise<readonly string[]> =>
  readAgeFile(file, { name: 'recipient', looks: 'age1…', check: (line) => new Encrypter().addRecipient(line) })
