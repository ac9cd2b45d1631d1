/** The program under test: a table of values for `createTableStorage`. */
export class MapTable {
  #values = new Map()

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
