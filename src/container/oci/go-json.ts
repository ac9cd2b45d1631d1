/** Writes JSON as Go does. Source: Go, `encoding/json`: `Marshal` with its HTML-safe escapes. */
import { compareUtf8 } from '../../bytes.ts'

/** A struct, whose members are written in this order. Other objects are maps, written in the order of their keys. */
export class GoStruct {
  readonly members: readonly (readonly [name: string, value: unknown])[]

  /** Members that are `undefined` are left out. */
  constructor(members: readonly (readonly [name: string, value: unknown])[]) {
    this.members = members.filter(([, value]) => value !== undefined)
  }

  /** Returns a struct of the members of `value` that `order` names. */
  static of<T extends object>(value: T, order: readonly (keyof T & string)[]): GoStruct {
    return new GoStruct(order.map((name) => [name, value[name]]))
  }
}

/**
 * Returns a value as JSON.
 * @param value strings, whole numbers, booleans, null, and lists, maps and structs of these; its depth is not checked
 */
export function goJson(value: unknown): string {
  if (typeof value === 'string') return goString(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`
  const members =
    value instanceof GoStruct ? value.members : Object.entries(value).sort(([a], [b]) => compareUtf8(a, b))
  return `{${members.map(([name, member]) => `${goString(name)}:${goJson(member)}`).join(',')}}`
}

/** Escapes a string; backspace and form feed have the short escapes of Go 1.22 and later. */
function goString(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[<>&\u2028\u2029]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
