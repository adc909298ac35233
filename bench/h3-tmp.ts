import { measureSealing } from './parts/sealing.ts'
import { mkdtempSync } from 'node:fs'
const d = mkdtempSync('/tmp/h3-bench-')
console.log(await measureSealing({ settings: { rounds: 5, secondsEach: 2, streamInFlight: 512, practice: { clinics: 30, people: 3, patients: 20, questions: 2_000 } }, stateDirs: { on: d + '/on', off: d + '/off' }, say: (t) => console.log(t) }))
process.exit(0)
