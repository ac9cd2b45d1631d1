/**
 * Defines `Symbol.dispose` and `Symbol.asyncDispose` in runtimes that do not have them, such as Safari and Firefox before
 * 141, so that objects of this library work with `using` and `await using`. The values are the registered symbols that
 * compilers use for these runtimes.
 */

for (const name of ['dispose', 'asyncDispose'] as const) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) })
}
