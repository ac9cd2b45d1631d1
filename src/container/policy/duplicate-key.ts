/** Finds duplicate names in JSON objects. Of such names some parsers use the first value, others the last. */
import { displayUtf8 } from '../../bytes.ts'

/**
 * Looks for a name that an object has more than once.
 * @param bytes valid JSON
 * @returns the first such name; `undefined` when all names are unique in their objects
 */
export function duplicateKey(bytes: Uint8Array): string | undefined {
  const text = displayUtf8(bytes)
  /** Names seen so far in each enclosing object, the innermost last; `undefined` for an array. */
  const around: (Set<string> | undefined)[] = []
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/gs)) {
    if (token === '{') around.push(new Set())
    else if (token === '[') around.push(undefined)
    else if (token === '}' || token === ']') around.pop()
    else if (token.endsWith(':')) {
      const name: string = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1))
      const names = around.at(-1)
      if (names?.has(name)) return name
      names?.add(name)
    }
  }
  return undefined
}
