import { type Bundle, BundleError, type BundleItem } from './bundle.ts'

/** What of a bundle can be read, though the file was changed or cut: whoever verifies then names the entries too. `onDamage` is told in words. */
export async function* readableItems(bundle: Bundle, onDamage: (problem: string) => void): AsyncGenerator<BundleItem> {
  try {
    yield* bundle.items(onDamage)
  } catch (thrown) {
    if (!(thrown instanceof BundleError)) throw thrown
    onDamage(thrown.problem)
  }
}
