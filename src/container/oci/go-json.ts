/** JSON as Go writes it. Source: Go, `encoding/json`: `Marshal` with its HTML-safe escapes. */
import { compareUtf8 } from '../../bytes.ts'

/** A struct: its members are written in this order. Any other object is a map, written in the order of its keys. */
export class GoStruct {
  readonly members: readonly (readonly [name: string, value: unknown])[]

  /** Members that are `undefined` are left out. */
  constructor(members: readonly (readonly [name: string, value: unknown])[]) {
    this.members = members.filter(([, value]) => value !== undefined)
  }

  /** A struct of the members of `value` named by `order`. */
  static of<T extends object>(value: T, order: readonly (keyof T & string)[]): GoStruct {
    return new GoStruct(order.map((name) => [name, value[name]]))
  }
}

/** @param value strings, whole numbers, booleans, null; lists, maps and structs of those. Not checked for depth */
export function goJson(value: unknown): string {
  if (typeof value === 'string') return goString(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`
  const members =
    value instanceof GoStruct ? value.members : Object.entries(value).sort(([a], [b]) => compareUtf8(a, b))
  return `{${members.map(([name, member]) => `${goString(name)}:${goJson(member)}`).join(',')}}`
}

/** The short escapes for backspace and form feed are those of Go 1.22 and later. */
function goString(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[<>&\u2028\u2029]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
