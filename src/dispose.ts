/**
 * The symbols of `using` and `await using`, for runtimes older than them: Safari, Firefox before 141. Under the names by
 * which compilers look for them where they are missing.
 */

for (const name of ['dispose', 'asyncDispose'] as const) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) })
}
