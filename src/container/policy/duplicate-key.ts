/** Names that stand twice in one object: of two readers one would take the first, the other the last. */
import { displayUtf8 } from '../../bytes.ts'

/**
 * @param bytes valid JSON
 * @returns a name that some object has more than once
 */
export function duplicateKey(bytes: Uint8Array): string | undefined {
  const text = displayUtf8(bytes)
  /** Names of the objects around, innermost last; `undefined` for a list. */
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
