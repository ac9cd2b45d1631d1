/** What the entry points of the package export, read from the sources by the TypeScript compiler. */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** One exported name. */
export interface Exported {
  readonly name: string
  readonly kind: 'function' | 'class' | 'type' | 'value'
  /** File and line of the declaration, relative to the checkout. */
  readonly place: string
  /** The doc comment without its tags. */
  readonly comment: string
  /** Text of each `@throws`. */
  readonly throws: readonly string[]
  readonly symbol: ts.Symbol
}

/** The entry points of package.json, by name, with their source files: `./repo` is `src/repo/index.ts`. */
export function entryPoints(): Map<string, string> {
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    exports: Record<string, string | { default: string }>
  }
  return new Map(
    Object.entries(exports).flatMap(([entry, target]) =>
      typeof target === 'string'
        ? []
        : [[entry, target.default.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')] as const],
    ),
  )
}

/** A program of the library's sources. */
export function loadProgram(files: readonly string[] = [...entryPoints().values()]): ts.Program {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  return ts.createProgram(
    files.map((file) => `${root}${file}`),
    { ...options, noEmit: true, incremental: false },
  )
}

/** Follows aliases, such as those of re-exports, to what they stand for. */
export function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)
}

/** Lists the names that a module exports, sorted. A name that is a type and a value is listed once, as a value. */
export function exportsOf(program: ts.Program, file: string): Exported[] {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(`${root}${file}`)
  const module = source && checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`${file} is not a module of the program`)
  return checker
    .getExportsOfModule(module)
    .map((exported) => {
      const symbol = resolved(checker, exported)
      const [declaration] = symbol.declarations ?? []
      const tags = symbol.getJsDocTags(checker)
      return {
        name: exported.name,
        kind: kindOf(symbol),
        place: declaration === undefined ? file : placeOf(declaration),
        comment: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
        throws: tags.filter(({ name }) => name === 'throws').map(({ text }) => ts.displayPartsToString(text)),
        symbol,
      }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function kindOf({ flags }: ts.Symbol): Exported['kind'] {
  if ((flags & ts.SymbolFlags.Function) !== 0) return 'function'
  if ((flags & ts.SymbolFlags.Class) !== 0) return 'class'
  return (flags & ts.SymbolFlags.Value) !== 0 ? 'value' : 'type'
}

/** `src/errors.ts:38` */
export function placeOf(node: ts.Node): string {
  const source = node.getSourceFile()
  const { line } = source.getLineAndCharacterOfPosition(node.getStart())
  return `${relative(root, source.fileName)}:${line + 1}`
}

/**
 * The symbols of this library that a declaration names in its types: what a reader has to look up in order to use it.
 * Private members and the bodies of functions are not looked at.
 */
export function mentioned(checker: ts.TypeChecker, symbol: ts.Symbol): Map<ts.Symbol, string> {
  const found = new Map<ts.Symbol, string>()
  const add = (name: ts.Node): void => {
    const named = checker.getSymbolAtLocation(name)
    if (named === undefined) return
    const target = resolved(checker, named)
    if ((target.flags & ts.SymbolFlags.TypeParameter) !== 0) return
    const [declaration] = target.declarations ?? []
    const file = declaration?.getSourceFile().fileName
    if (declaration !== undefined && file?.startsWith(`${root}src/`)) found.set(target, placeOf(name))
  }
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node) || isPrivate(node)) return
    if (ts.isPropertyDeclaration(node) || ts.isVariableDeclaration(node) || ts.isParameter(node)) {
      if (node.type !== undefined) visit(node.type)
      return
    }
    if (ts.isTypeReferenceNode(node)) add(rightmost(node.typeName))
    else if (ts.isExpressionWithTypeArguments(node)) add(node.expression)
    // `Value<typeof Commit>` is a type in itself, and the codec need not be looked up.
    else if (ts.isTypeQueryNode(node)) return
    ts.forEachChild(node, visit)
  }
  for (const declaration of symbol.declarations ?? []) visit(declaration)
  found.delete(symbol)
  return found
}

function isPrivate(node: ts.Node): boolean {
  if (ts.isClassElement(node) && node.name !== undefined && ts.isPrivateIdentifier(node.name)) return true
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : []
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
}

function rightmost(name: ts.EntityName): ts.Identifier {
  return ts.isIdentifier(name) ? name : name.right
}
