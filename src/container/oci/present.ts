/** Builds documents with optional fields: a field that is absent has no key, rather than the value `undefined`. */

/** Returns a copy without the members that are `undefined`. */
export function present<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Present<T>
}

type OptionalKeys<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T]
/** `T` with optional members instead of those that may be `undefined`. */
export type Present<T> = Omit<T, OptionalKeys<T>> & { [K in OptionalKeys<T>]?: Exclude<T[K], undefined> }
