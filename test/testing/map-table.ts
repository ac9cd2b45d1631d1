/** A table of values in memory. */
import type { ValueTable } from '../../src/repo/index.ts'

/** A table in memory, whose content is also what a process leaves behind that is killed. */
export class MapTable implements ValueTable {
  readonly values: Map<string, Uint8Array>
  constructor(values: Iterable<readonly [string, Uint8Array]> = []) {
    this.values = new Map(values)
  }
  get(key: string): Uint8Array | undefined {
    return this.values.get(key)
  }
  keys(prefix: string): string[] {
    return [...this.values.keys()].filter((key) => key.startsWith(prefix))
  }
  write(changes: ReadonlyMap<string, Uint8Array | undefined>): void {
    for (const [key, value] of changes) {
      if (value === undefined) this.values.delete(key)
      else this.values.set(key, value)
    }
  }
}
