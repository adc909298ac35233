import { grpcCode } from '../services/kernel/errors.ts'

/** What the process ends with, so that a script can tell outcomes apart without reading text. Published; a number never changes meaning. */
export const exitCodes = {
  ok: { code: 0, meaning: 'Done. For `check`: permit.' },
  unexpected: { code: 1, meaning: 'An unexpected fault of the command or an internal fault of the service.' },
  usage: { code: 2, meaning: 'The command line, a file it names, the configuration or the request is wrong; nothing was changed.' },
  denied: { code: 3, meaning: '`check` was answered deny; the answer is recorded.' },
  notAllowed: { code: 4, meaning: 'The token is missing or refused, or the caller or the person named may not do this.' },
  unavailable: {
    code: 5,
    meaning: 'The service, or what it needs to start, cannot be reached, is overloaded or did not answer in time; trying again is safe.',
  },
  conflict: { code: 6, meaning: 'What was named does not exist, exists already, or is in another state than the call needs.' },
  unknownPerson: {
    code: 7,
    meaning:
      '`offboard` recorded and barred the identifier, but no such person was known; `export` found nothing that names whom was asked for: check the spelling.',
  },
  incomplete: { code: 8, meaning: 'A stream was cut or the output could not be written: what was printed is not everything.' },
  partial: { code: 9, meaning: '`import events`: part of the file was recorded; the lines that were refused are listed.' },
  damaged: {
    code: 10,
    meaning:
      '`verify`: something is not as it was signed; each fault is named. `backup`, `restore`: a ledger, or the backup, is not as it was. `witness status`: it holds the proof of a fork.',
  },
  unchecked: {
    code: 11,
    meaning: '`verify`: nothing wrong was found, but what was asked for could not be checked: there is no checkpoint, no key or no quorum.',
  },
} as const satisfies Record<string, { readonly code: number; readonly meaning: string }>

export type Outcome = keyof typeof exitCodes

const byGrpcCode: Readonly<Record<number, Outcome>> = {
  1: 'unavailable',
  [grpcCode.invalidArgument]: 'usage',
  [grpcCode.deadlineExceeded]: 'unavailable',
  [grpcCode.notFound]: 'conflict',
  [grpcCode.alreadyExists]: 'conflict',
  [grpcCode.permissionDenied]: 'notAllowed',
  [grpcCode.resourceExhausted]: 'unavailable',
  [grpcCode.failedPrecondition]: 'conflict',
  [grpcCode.unavailable]: 'unavailable',
  [grpcCode.dataLoss]: 'damaged',
  [grpcCode.unauthenticated]: 'notAllowed',
}

/** The outcome that a google.rpc.Code stands for; one that the service never sends is unexpected. */
export const outcomeOfGrpcCode = (code: number): Outcome => byGrpcCode[code] ?? 'unexpected'
