import { Decrypter } from 'age-encryption'
import { readAgeFile } from './age-file.ts'

/** What opens backups: age identities, one a line, as `age-keygen` writes them. Secret: never log them. Throws StartError as `readAgeFile`. */
export const readIdentities = (file: string): Promise<readonly string[]> =>
  readAgeFile(file, { name: 'identity', looks: 'AGE-SECRET-KEY-1…', check: (line) => new Decrypter().addIdentity(line) })
