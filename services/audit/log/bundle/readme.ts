import type { BundleManifest } from './bundle.ts'
import { selectionText } from './manifest.ts'

const ofSelection = `  entries/<n>.json            the entry with revision n: the exact bytes that were recorded
  proofs/<n>.tlog-proof       its receipt: the way from the entry to the checkpoint (C2SP tlog-proof)`

const ofWhole = `  log/                        the ledger as a static transparency log (C2SP tlog-tiles): any reader of that format
                              reads the unpacked folder
  log/tile/entries/...        the entries, 256 a file, each behind its length in two bytes, the higher byte first
  log/tile/<level>/...        the hashes of the tree`

/** What the file is and how to check it, for somebody who has nothing but the file. */
export const readmeText = (manifest: BundleManifest): string => `EVIDENCE BUNDLE

Clinic:     ${manifest.clinic}
Holds:      ${selectionText(manifest)}
Log:        ${manifest.origin}
Checkpoint: ${manifest.size} entries, root ${manifest.root}

WHAT IT IS
Every access, every decision and every change of rights at the clinic is an entry in the clinic's ledger. The ledger is a
transparency log: a checkpoint is a signed statement that the log had these entries, in this order, and no others. This file
holds entries of that ledger and what it takes to check, without asking anybody, that they stand in it unchanged.

  README.txt                  this text
  manifest.json               what the file is said to hold
  checkpoint                  the signed head of the log that everything is proven against (C2SP tlog-checkpoint)
  log.vkeys                   the public keys of the log (C2SP signed-note verifier keys), the newest first
${manifest.whole ? ofWhole : ofSelection}
  index.csv, index.html       the same entries for people; made from the files above
  opened-not-proven/          present only if the exporter could open sealed parts: free text, record numbers, names behind
                              pseudonyms. The proof covers the sealed part inside the entry, not this opened form of it
  keys.age                    present only in an export for moving the clinic: its keys, encrypted (age) to one recipient

HOW TO CHECK IT
With the chartwarden command:  chartwarden verify <this file>

By hand, with published formats alone:
1. Get the log's public key from somewhere other than this file (the clinic, an earlier receipt, a witness) and compare it with
   log.vkeys. A key that came only with the file proves only that the file is consistent in itself.
2. Check the signature below the empty line of checkpoint: Ed25519 over the text above the empty line, its last line feed
   included (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint).
${
  manifest.whole
    ? `3. The leaf hash of an entry is SHA-256 over one zero byte followed by the entry. Build the tree of all of them (RFC 6962,
   section 2.1) and compare its root with the third line of checkpoint (https://c2sp.org/tlog-tiles).`
    : `3. For each entry: its leaf hash is SHA-256 over one zero byte followed by the file. Follow the hashes in its .tlog-proof up
   to the root (RFC 9162, section 2.1.3.2; https://c2sp.org/tlog-proof) and compare it with the third line of checkpoint.`
}

WHAT IT DOES NOT PROVE
- That an entry is true: only that it was recorded, at this place, and has not changed since the checkpoint was signed.
${
  manifest.whole
    ? '- What happened after the checkpoint.'
    : `- That the selection is complete: entries that were left out cannot be seen from here. A whole export leaves none out.
- What happened after the checkpoint.`
}
- Whom a pseudonym stands for: names are as the exporter's installation told them (opened-not-proven/).
`
