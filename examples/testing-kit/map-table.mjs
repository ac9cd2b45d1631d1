/** The program under test: a table of values for `createTableStorage`. */
export class MapTable {
  #values

  /** @param from a table whose values are copied */
  constructor(from) {
    this.#values = new Map(from === undefined ? [] : from.#values)
  }

  get(key) {
    return this.#values.get(key)
  }

  keys(prefix) {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix))
  }

  write(changes) {
    for (const [key, value] of changes) {
      if (value === undefined) this.#values.delete(key)
      else this.#values.set(key, value)
    }
  }
}
