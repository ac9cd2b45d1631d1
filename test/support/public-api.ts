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

/** Words that begin a part of a sentence, which cannot be understood without what it belongs to. */
const HEADLESS =
  /^(?:After|Also|As|Before|By|For|From|If|In|Inverse|It|Its|Like|No|None|Not|Of|On|Same|That|Their|These|They|This|Those|To|Until|When|Where|Whether|With|Without)\b/
/** Plural nouns, which look like a verb in the third person. */
const NOUNS =
  /^(?:Bytes|Checksums|Entries|Errors|Files|Images|Keys|Layers|Lines|Names of|Objects|Options|Paths|Refs|Sizes|Times|Types|Values)\b/
const BUILT_IN_ERRORS = ['Error', 'RangeError', 'TypeError']

/**
 * Finds what is wrong with the comment of an exported name, and with those of its methods.
 * @param names all exported names, which an `@throws` may name
 */
export function faultsOfComments(
  checker: ts.TypeChecker,
  { name, symbol }: Exported,
  names: ReadonlySet<string>,
): string[] {
  const isFunction = (symbol.flags & ts.SymbolFlags.Function) !== 0
  const own = faultsOfComment(checker, symbol, isFunction, names).map((fault) => `${name}: ${fault}`)
  if (symbol.getDocumentationComment(checker).length === 0) own.push(`${name}: has no comment`)
  const methods = [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])]
    .filter(({ flags }) => (flags & ts.SymbolFlags.Method) !== 0)
    .filter(({ declarations = [] }) => !declarations.some(isPrivate))
    .flatMap((method) =>
      faultsOfComment(checker, method, true, names).map((fault) => `${name}.${method.name}: ${fault}`),
    )
  return [...own, ...methods]
}

function faultsOfComment(
  checker: ts.TypeChecker,
  symbol: ts.Symbol,
  isFunction: boolean,
  names: ReadonlySet<string>,
): string[] {
  const faults: string[] = []
  const comment = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim()
  if (comment !== '') {
    const [first = ''] = comment.split('\n', 1)
    if (HEADLESS.test(comment)) faults.push(`is a part of a sentence: ${first}`)
    if (comment.split(/\s+/).length < 3) faults.push(`is too short: ${first}`)
    if (!/[.:!?)]$/.test(comment) && !/^- /m.test(comment)) faults.push(`does not end as a sentence: ${first}`)
    if (isFunction && (!/^(?:Is|Has|[A-Z][a-z]+s)\s/.test(comment) || NOUNS.test(comment))) {
      faults.push(`does not begin with a verb in the third person, such as Returns: ${first}`)
    }
  }
  for (const tag of symbol.getJsDocTags(checker).filter(({ name }) => name === 'throws')) {
    const text = ts.displayPartsToString(tag.text)
    const classes = Array.from(text.matchAll(/\{(\w+)\}/g), ([, error = '']) => error)
    const unknown = classes.filter((error) => !names.has(error) && !BUILT_IN_ERRORS.includes(error))
    if (unknown.length > 0) faults.push(`@throws names errors that are not exported: ${unknown.join(', ')}`)
    if (!/^(?:\{\w+\}|as |what )/.test(text)) faults.push(`@throws does not name a class, {XError}: ${text}`)
    const condition = text.replaceAll(/\{\w+\}|[,;]|\band\b|\bor\b/g, ' ').trim()
    if (condition.split(/\s+/).length < 2) faults.push(`@throws does not say when: ${text}`)
  }
  return faults
}
